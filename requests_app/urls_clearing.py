"""Addresses of clearing."""

from django.urls import path

from requests_app.views import antibodies, bench, clearing, logs, plans, protocols, today

app_name = "clearing"
urlpatterns = [
    path("", clearing.queue, name="queue"),
    path("batches/<int:pk>/", bench.batch_page, name="batch"),
    path("batches/<int:pk>/steps/", bench.batch_steps, name="batch-steps"),
    path("batches/<int:pk>/start/", clearing.start_batch, name="batch-start"),
    path("today/", today.board, name="today"),
    path("today/reassign/", today.reassign, name="today-reassign"),
    path("batches/<int:pk>/claim/", clearing.claim_batch, name="batch-claim"),
    path("batches/<int:pk>/release/", clearing.release_batch, name="batch-release"),
    path("batches/<int:pk>/assign/", clearing.assign_batch, name="batch-assign"),
    path("batches/<int:pk>/log/", logs.batch_log, name="batch-log"),
    path("batches/<int:pk>/log.csv", logs.batch_log_csv, name="batch-log-csv"),
    path("batches/<int:pk>/plan/", plans.batch_plan, name="batch-plan"),
    path("batches/<int:pk>/plan/make/", plans.plan_batch, name="batch-plan-make"),
    path("batches/<int:pk>/plan/<slug:slug>/pin/", plans.pin_step, name="step-pin"),
    path("batches/<int:pk>/plan/<slug:slug>/unpin/", plans.unpin_step, name="step-unpin"),
    path("batches/<int:pk>/remarks/<slug:field>/", bench.save_remark, name="batch-remark"),
    path("batches/<int:pk>/put-back/", clearing.put_back, name="batch-put-back"),
    path("batches/<int:pk>/take-over/", clearing.take_over, name="batch-take-over"),
    path("batches/<int:pk>/complete/", bench.complete_batch, name="batch-complete"),
    path("batches/<int:pk>/reopen/", clearing.reopen_batch, name="batch-reopen"),
    path("batches/<int:pk>/receive/", clearing.receive_samples, name="batch-receive"),
    path("batches/<int:pk>/steps/<slug:slug>/", bench.record_step, name="step-record"),
    path(
        "batches/<int:pk>/steps/<slug:slug>/take-back/",
        bench.take_back_step,
        name="step-take-back",
    ),
    path("protocols/<int:pk>/", protocols.preview, name="protocol-preview"),
    path("antibodies/", antibodies.history, name="antibody-history"),
    path("antibodies/history.csv", antibodies.history_csv, name="antibody-csv"),
    path("antibodies/overview/", antibodies.overview, name="antibody-overview"),
    path("antibodies/hints/", antibodies.hints, name="antibody-hints"),
    path("antibodies/new/", antibodies.new_trial, name="antibody-new"),
    path("antibodies/<int:pk>/", antibodies.trial, name="antibody-trial"),
    path("antibodies/<int:pk>/edit/", antibodies.edit_trial, name="antibody-edit"),
    path("antibodies/<int:pk>/rate/", antibodies.rate, name="antibody-rate"),
]
