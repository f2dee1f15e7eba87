"""The files that travel with exports as ``predict.py``: each loads its format without tlplug."""
