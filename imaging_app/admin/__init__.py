"""Imaging in the staff console."""

from imaging_app.admin import imaging, instruments

__all__ = ["imaging", "instruments"]
