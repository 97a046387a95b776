"""Addresses of the application origin."""

from django.contrib import admin
from django.urls import include, path

from facility_app import views as facility

urlpatterns = [
    path("", include("requests_app.urls")),
    path("clearing/", include("requests_app.urls_clearing")),
    path("imaging/", include("imaging_app.urls")),
    path("processing/", include("processing_app.urls")),
    path("viewers/", include("viewers_app.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("healthz", facility.healthz),
    path("readyz", facility.readyz),
]
