"""The viewers app."""

from django.apps import AppConfig


class ViewersConfig(AppConfig):
    name = "viewers_app"
    verbose_name = "Viewers"

    def ready(self) -> None:
        from viewers_app import checks  # noqa: F401  # registers them
