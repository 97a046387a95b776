"""Processes and containers behind views that need one: the port, and its implementations."""
