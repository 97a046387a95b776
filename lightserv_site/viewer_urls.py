"""Addresses of the viewer origin; nothing else answers there."""

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
