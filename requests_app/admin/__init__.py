"""The staff console's pages of requests and clearing."""

from requests_app.admin import calendar, clearing, labs, protocols, requests, samples, subjects

__all__ = ["calendar", "clearing", "labs", "protocols", "requests", "samples", "subjects"]
