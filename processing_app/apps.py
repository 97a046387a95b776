"""The processing app."""

from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    name = "processing_app"
    verbose_name = "Processing"
