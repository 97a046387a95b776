"""The staff console's pages of requests and clearing."""

from requests_app.admin import (
    antibodies,
    calendar,
    clearing,
    labs,
    protocols,
    requests,
    samples,
    subjects,
)

__all__ = [
    "antibodies",
    "calendar",
    "clearing",
    "labs",
    "protocols",
    "requests",
    "samples",
    "subjects",
]
