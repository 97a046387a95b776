"""The staff console's pages of requests and clearing."""

from requests_app.admin import clearing, labs, protocols, requests, samples, subjects

__all__ = ["clearing", "labs", "protocols", "requests", "samples", "subjects"]
