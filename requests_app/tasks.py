"""Periodic work of requests: no arguments, due work from the database, safe to repeat."""

from requests_app import workflows


def close_finished() -> str:
    """Close the requests in which nothing is open any more."""
    return f"{workflows.close_finished_requests()} closed"
