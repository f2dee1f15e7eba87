"""The files that travel with exports as ``network.py``: each loads its format without tlplug."""
