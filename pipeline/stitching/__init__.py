"""Placing overlapping tiles and fusing them into one stack of planes."""
