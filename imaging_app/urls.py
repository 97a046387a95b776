"""Addresses of imaging."""

from django.urls import path

from imaging_app import views

app_name = "imaging"
urlpatterns = [
    path("", views.queue, name="queue"),
    path("batches/<int:pk>/", views.batch_page, name="batch"),
    path("batches/<int:pk>/start/", views.start_batch, name="batch-start"),
    path("requests/<int:pk>/", views.request_page, name="request"),
    path("requests/<int:pk>/enter/", views.enter, name="request-enter"),
    path("requests/<int:pk>/folders/", views.make_folders, name="request-folders"),
    path("requests/<int:pk>/skip/", views.skip, name="request-skip"),
    path("requests/<int:pk>/reopen/", views.reopen, name="request-reopen"),
]
