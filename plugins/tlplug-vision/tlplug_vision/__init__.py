"""Images for tlplug: pretrained networks, and the way from an image file to their input."""
