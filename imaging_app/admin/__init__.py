"""Imaging in the staff console."""

from imaging_app.admin import deliveries, imaging, instruments

__all__ = ["deliveries", "imaging", "instruments"]
