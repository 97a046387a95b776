"""Addresses of imaging."""

from django.urls import path

from imaging_app.views import batches, channel_edits, queue, samples

app_name = "imaging"
urlpatterns = [
    path("", queue.queue, name="queue"),
    path("batches/<int:pk>/", batches.batch_page, name="batch"),
    path("batches/<int:pk>/start/", batches.start_batch, name="batch-start"),
    path("batches/<int:pk>/apply/", batches.apply_parameters, name="batch-apply"),
    path("batches/<int:pk>/edit/<slug:kind>/", channel_edits.edit_batch, name="batch-edit"),
    path("requests/<int:pk>/edit/<slug:kind>/", channel_edits.edit_sample, name="request-edit"),
    path("requests/<int:pk>/", samples.request_page, name="request"),
    path("requests/<int:pk>/enter/", samples.enter, name="request-enter"),
    path("requests/<int:pk>/folders/", samples.make_folders, name="request-folders"),
    path("requests/<int:pk>/skip/", samples.skip, name="request-skip"),
    path("requests/<int:pk>/reopen/", samples.reopen, name="request-reopen"),
]
