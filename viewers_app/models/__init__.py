"""Models of viewers: what can be looked at, who is looking, and what is kept and shared."""

from viewers_app.models.layers import AtlasLayer, DataLayer, Layer
from viewers_app.models.saved import SavedVersion, SavedView
from viewers_app.models.sessions import LayerAccess, Ticket, ViewerSession
from viewers_app.models.sharing import ShareLink

__all__ = [
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
