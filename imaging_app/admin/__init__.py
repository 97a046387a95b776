"""Imaging in the staff console."""

from imaging_app.admin import bookings, deliveries, imaging, instruments, upkeep

__all__ = ["bookings", "deliveries", "imaging", "instruments", "upkeep"]
