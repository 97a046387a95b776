"""Addresses of the application origin."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path

from facility_app import views as facility

# Staff sign in where everybody does: with the second factor, and with a limit of attempts.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", include("requests_app.urls")),
    path("clearing/", include("requests_app.urls_clearing")),
    path("feeds/", include("requests_app.urls_feeds")),
    path("imaging/", include("imaging_app.urls")),
    path("processing/", include("processing_app.urls")),
    path("viewers/", include("viewers_app.urls")),
    path("", include("viewers_app.urls_short")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("healthz", facility.healthz),
    path("readyz", facility.readyz),
]
