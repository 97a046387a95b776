"""Addresses of clearing."""

from django.urls import path

from requests_app.views import antibodies, clearing

app_name = "clearing"
urlpatterns = [
    path("", clearing.queue, name="queue"),
    path("batches/<int:pk>/", clearing.batch_page, name="batch"),
    path("batches/<int:pk>/steps/", clearing.batch_steps, name="batch-steps"),
    path("batches/<int:pk>/start/", clearing.start_batch, name="batch-start"),
    path("batches/<int:pk>/put-back/", clearing.put_back, name="batch-put-back"),
    path("batches/<int:pk>/take-over/", clearing.take_over, name="batch-take-over"),
    path("batches/<int:pk>/complete/", clearing.complete_batch, name="batch-complete"),
    path("batches/<int:pk>/reopen/", clearing.reopen_batch, name="batch-reopen"),
    path("batches/<int:pk>/receive/", clearing.receive_samples, name="batch-receive"),
    path("batches/<int:pk>/steps/<slug:slug>/", clearing.record_step, name="step-record"),
    path(
        "batches/<int:pk>/steps/<slug:slug>/take-back/",
        clearing.take_back_step,
        name="step-take-back",
    ),
    path("antibodies/", antibodies.history, name="antibody-history"),
    path("antibodies/history.csv", antibodies.history_csv, name="antibody-csv"),
    path("antibodies/overview/", antibodies.overview, name="antibody-overview"),
    path("antibodies/hints/", antibodies.hints, name="antibody-hints"),
    path("antibodies/new/", antibodies.new_trial, name="antibody-new"),
    path("antibodies/<int:pk>/", antibodies.trial, name="antibody-trial"),
    path("antibodies/<int:pk>/edit/", antibodies.edit_trial, name="antibody-edit"),
    path("antibodies/<int:pk>/rate/", antibodies.rate, name="antibody-rate"),
]
