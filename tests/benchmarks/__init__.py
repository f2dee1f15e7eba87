"""Measurements behind the figures in docs/benchmarks.md: ``make bench``, or ``python -m tests.benchmarks NAME...``."""
