"""Processing in the staff console."""

from processing_app.admin import atlases, clusters, rounds, runs, site

__all__ = ["atlases", "clusters", "rounds", "runs", "site"]
