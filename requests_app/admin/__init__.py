"""The staff console's pages of requests and clearing."""

from requests_app.admin import clearing, requests

__all__ = ["clearing", "requests"]
