"""Writes of the viewers app."""
