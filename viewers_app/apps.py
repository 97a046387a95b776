"""The viewers app."""

from django.apps import AppConfig


class ViewersConfig(AppConfig):
    name = "viewers_app"
    verbose_name = "Viewers"
