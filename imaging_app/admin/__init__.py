"""Imaging in the staff console."""

from imaging_app.admin import bookings, imaging, instruments, upkeep

__all__ = ["bookings", "imaging", "instruments", "upkeep"]
