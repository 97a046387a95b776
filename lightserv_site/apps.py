"""The composition root as an app, so that its templates, static files and checks are found."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "lightserv_site"
    verbose_name = "Site"

    def ready(self) -> None:
        from lightserv_site import checks  # noqa: F401  # registers the system checks
