"""The staff console's pages of requests and clearing."""

from requests_app.admin import clearing, protocols, requests

__all__ = ["clearing", "protocols", "requests"]
