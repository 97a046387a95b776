"""Models of viewers: what can be looked at, who is looking, and what is kept and shared."""

from viewers_app.models.layers import AtlasLayer, DataLayer, Layer
from viewers_app.models.saved import SavedVersion, SavedView
from viewers_app.models.sessions import (
    AccessLogCursor,
    LayerAccess,
    Ticket,
    ViewerSession,
)
from viewers_app.models.sharing import ShareLink

__all__ = [
    "AccessLogCursor",
    "AtlasLayer",
    "DataLayer",
    "Layer",
    "LayerAccess",
    "SavedVersion",
    "SavedView",
    "ShareLink",
    "Ticket",
    "ViewerSession",
]
