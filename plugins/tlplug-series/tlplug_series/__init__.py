"""Time series for tlplug: encoders, and the way from files, tables and archives to their input."""
