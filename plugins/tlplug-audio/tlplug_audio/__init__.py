"""Sound for tlplug: YAMNet, and the way from any sound file to its input."""
