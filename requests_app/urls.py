"""Addresses of requests and samples."""

from django.urls import path

from requests_app.views import (
    draft_review,
    draft_samples,
    handoffs,
    home,
    imaging_again,
    new_request,
    requests,
    samples,
    tubes,
)

app_name = "requests"
urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", requests.request_list, name="request-list"),
    path("requests/new/", new_request.new_request, name="request-new"),
    path("drafts/<int:pk>/", new_request.edit_draft, name="draft-edit"),
    path("drafts/<int:pk>/samples/", draft_samples.samples, name="draft-samples"),
    path("drafts/<int:pk>/samples.csv", draft_samples.samples_csv, name="draft-samples-csv"),
    path("drafts/<int:pk>/samples/upload/", draft_samples.upload, name="draft-upload"),
    path("drafts/<int:pk>/samples/upload/end/", draft_samples.end_upload, name="draft-upload-end"),
    path("drafts/<int:pk>/subjects/", draft_samples.subjects, name="draft-subjects"),
    path("drafts/<int:pk>/review/", draft_review.review, name="draft-review"),
    path("drafts/<int:pk>/copy/", new_request.copy_draft, name="draft-copy"),
    path("drafts/<int:pk>/delete/", new_request.delete_draft, name="draft-delete"),
    path("requests/export.csv", requests.request_export, name="request-export"),
    path("requests/<str:owner>/<str:name>/", requests.request_page, name="request-page"),
    path("requests/<str:owner>/<str:name>/again/", new_request.clone, name="request-clone"),
    path("requests/<str:owner>/<str:name>/live/", requests.request_live, name="request-live"),
    path("requests/<str:owner>/<str:name>/withdraw/", requests.withdraw, name="request-withdraw"),
    path(
        "requests/<str:owner>/<str:name>/imaging/new/",
        imaging_again.imaging_again,
        name="imaging-again",
    ),
    path("samples/", samples.sample_list, name="sample-list"),
    path("samples/export.csv", samples.sample_export, name="sample-export"),
    path("samples/<int:pk>/", tubes.sample_page, name="sample-page"),
    path("samples/<int:pk>/receive/", tubes.receive, name="sample-receive"),
    path("samples/<int:pk>/take-back/", tubes.take_back, name="sample-take-back"),
    path("samples/<int:pk>/move/", tubes.move, name="sample-move"),
    path("requests/<str:owner>/<str:name>/receive/", tubes.receive_several, name="receive-several"),
    path("requests/<str:owner>/<str:name>/labels/", tubes.labels, name="request-labels"),
    path("requests/<str:owner>/<str:name>/labels.pdf", tubes.labels_pdf, name="request-labels-pdf"),
    path("q/<str:code>", tubes.tube, name="tube"),
    path("handoffs/", handoffs.month, name="handoffs"),
    path("handoffs/days.json", handoffs.days, name="handoff-days"),
    path("handoffs/day/", handoffs.set_day, name="handoff-day"),
]
