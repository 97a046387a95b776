"""Writes of imaging, by noun."""
