"""Measures the promises of speed, each against a reference run in the same minutes."""
