"""Texts for tlplug: BERT networks, and the way from a text to their input."""
