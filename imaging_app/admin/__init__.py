"""Imaging in the staff console."""

from imaging_app.admin import bookings, imaging, instruments

__all__ = ["bookings", "imaging", "instruments"]
