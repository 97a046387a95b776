"""Clearing in the staff console."""
