"""Addresses of requests and samples."""

from django.urls import path

from requests_app.views import home, new_request, requests, samples

app_name = "requests"
urlpatterns = [
    path("", home.home, name="home"),
    path("requests/", requests.request_list, name="request-list"),
    path("requests/new/", new_request.new_request, name="request-new"),
    path("drafts/<int:pk>/", new_request.edit_draft, name="draft-edit"),
    path("drafts/<int:pk>/delete/", new_request.delete_draft, name="draft-delete"),
    path("requests/<str:owner>/<str:name>/", requests.request_page, name="request-page"),
    path("requests/<str:owner>/<str:name>/live/", requests.request_live, name="request-live"),
    path("requests/<str:owner>/<str:name>/withdraw/", requests.withdraw, name="request-withdraw"),
    path("samples/", samples.sample_list, name="sample-list"),
    path("samples/<int:pk>/receive/", samples.receive, name="sample-receive"),
    path("q/<str:code>", samples.tube, name="tube"),
]
