"""Addresses of processing, below /processing/."""

from django.urls import path

from processing_app import views

app_name = "processing"
urlpatterns = [
    path("", views.run_list, name="run-list"),
    path("runs/<int:pk>/", views.run_detail, name="run-detail"),
    path("runs/<int:pk>/live/", views.run_live, name="run-live"),
    path("runs/<int:pk>/cancel/", views.cancel, name="run-cancel"),
    path("runs/<int:pk>/retry/", views.retry, name="run-retry"),
]
