"""Viewers in the staff console: volumes, views, links, and who looked at what."""

from viewers_app.admin import accesses, links, views, volumes

__all__ = ["accesses", "links", "views", "volumes"]
