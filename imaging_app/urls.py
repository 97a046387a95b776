"""Addresses of imaging."""

from django.urls import path

from imaging_app.views import (
    batches,
    bookings,
    channel_edits,
    deliveries,
    instruments,
    logs,
    queue,
    samples,
    utilization,
)

app_name = "imaging"
urlpatterns = [
    path("", queue.queue, name="queue"),
    path("log/", logs.log_list, name="log"),
    path("log/export.csv", logs.log_list_csv, name="log-csv"),
    path("log/export.xlsx", logs.log_list_xlsx, name="log-xlsx"),
    path("batches/<int:pk>/", batches.batch_page, name="batch"),
    path("batches/<int:pk>/start/", batches.start_batch, name="batch-start"),
    path("batches/<int:pk>/claim/", queue.claim_batch, name="batch-claim"),
    path("batches/<int:pk>/release/", queue.release_batch, name="batch-release"),
    path("batches/<int:pk>/assign/", queue.assign_batch, name="batch-assign"),
    path("batches/<int:pk>/take-over/", queue.take_over, name="batch-take-over"),
    path("batches/<int:pk>/apply/", batches.apply_parameters, name="batch-apply"),
    path("batches/<int:pk>/edit/<slug:kind>/", channel_edits.edit_batch, name="batch-edit"),
    path("requests/<int:pk>/edit/<slug:kind>/", channel_edits.edit_sample, name="request-edit"),
    path("requests/<int:pk>/", samples.request_page, name="request"),
    path("requests/<int:pk>/log/", logs.request_log, name="request-log"),
    path("requests/<int:pk>/log.csv", logs.request_log_csv, name="request-log-csv"),
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
    # Nothing keeps a slash out of a name that a microscope was given earlier.
    path("instruments/<path:name>/enter/<str:entry>/", instruments.enter, name="instrument-enter"),
    path("instruments/<path:name>/", instruments.instrument_page, name="instrument-page"),
    path("calendar/", bookings.index, name="calendar"),
    path("calendar/bookings/<int:pk>/", bookings.booking_page, name="booking"),
    path("calendar/bookings/<int:pk>/move/", bookings.move, name="booking-move"),
    path("calendar/bookings/<int:pk>/cancel/", bookings.cancel, name="booking-cancel"),
    path("calendar/<path:name>/book/", bookings.book, name="calendar-book"),
    path("calendar/<path:name>/utilization/", utilization.page, name="calendar-utilization"),
    path(
        "calendar/<path:name>/utilization.csv", utilization.as_csv, name="calendar-utilization-csv"
    ),
    path("calendar/<path:name>/", bookings.week, name="calendar-week"),
]
