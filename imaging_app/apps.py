"""The imaging app."""

from django.apps import AppConfig


class ImagingConfig(AppConfig):
    name = "imaging_app"
    verbose_name = "Imaging"
