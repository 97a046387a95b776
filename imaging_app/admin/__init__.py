"""Imaging in the staff console."""

from imaging_app.admin import imaging, instruments, upkeep

__all__ = ["imaging", "instruments", "upkeep"]
