"""Addresses of imaging."""

from django.urls import path

from imaging_app.views import batches, deliveries, instruments, queue, samples

app_name = "imaging"
urlpatterns = [
    path("", queue.queue, name="queue"),
    path("batches/<int:pk>/", batches.batch_page, name="batch"),
    path("batches/<int:pk>/start/", batches.start_batch, name="batch-start"),
    path("requests/<int:pk>/", samples.request_page, name="request"),
    path("requests/<int:pk>/enter/", samples.enter, name="request-enter"),
    path("requests/<int:pk>/folders/", samples.make_folders, name="request-folders"),
    path("requests/<int:pk>/delivery/", deliveries.live, name="request-delivery"),
    path("requests/<int:pk>/delivery/stop/", deliveries.stop, name="request-stop"),
    path("requests/<int:pk>/delivery/verify/", deliveries.verify, name="request-verify"),
    path("requests/<int:pk>/delivery/accept/", deliveries.accept, name="request-accept"),
    path("requests/<int:pk>/delivery/take-back/", deliveries.take_back, name="request-take-back"),
    path("requests/<int:pk>/skip/", samples.skip, name="request-skip"),
    path("requests/<int:pk>/reopen/", samples.reopen, name="request-reopen"),
    path("instruments/", instruments.instrument_list, name="instrument-list"),
    path("instruments/outages/<int:pk>/end/", instruments.end_outage, name="outage-end"),
    path("instruments/parts/<int:pk>/remove/", instruments.remove_part, name="part-remove"),
    path("instruments/<str:name>/", instruments.instrument_page, name="instrument-page"),
    path("instruments/<str:name>/enter/<str:entry>/", instruments.enter, name="instrument-enter"),
]
