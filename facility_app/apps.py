"""The facility app."""

from django.apps import AppConfig


class FacilityConfig(AppConfig):
    name = "facility_app"
    verbose_name = "Facility"
