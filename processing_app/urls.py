"""Addresses of processing, below /processing/."""

from django.urls import path

from processing_app import views

app_name = "processing"
urlpatterns = [
    path("", views.queue, name="queue"),
    path("rounds/<int:pk>/", views.round_page, name="round"),
    path("rounds/<int:pk>/enter/", views.round_enter, name="round-enter"),
    path("rounds/<int:pk>/not-wanted/", views.round_set_aside, name="round-set-aside"),
    path("rounds/<int:pk>/wanted/", views.round_want_again, name="round-want-again"),
    path("rounds/<int:pk>/log/", views.round_log, name="round-log"),
    path("imaging/<int:pk>/again/", views.round_new, name="round-new"),
    path("quality/<int:pk>/", views.quality_sheet, name="quality"),
    path("quality/<int:pk>/decide/", views.quality_decide, name="quality-decide"),
    path("made/<int:pk>/<str:name>", views.made_file, name="made-file"),
    path("correction/", views.correction_list, name="correction-list"),
    path("correction/<int:pk>/", views.correction, name="correction"),
    path("runs/", views.run_list, name="run-list"),
    path("runs/<int:pk>/", views.run_detail, name="run-detail"),
    path("runs/<int:pk>/live/", views.run_live, name="run-live"),
    path("runs/<int:pk>/cancel/", views.cancel, name="run-cancel"),
    path("runs/<int:pk>/retry/", views.retry, name="run-retry"),
    path("runs/<int:pk>/again/", views.run_again, name="run-again"),
    path("runs/<int:pk>/attempts/<int:attempt>/follow/", views.follow, name="log-follow"),
    path("runs/<int:pk>/attempts/<int:attempt>/tail/", views.tail, name="log-tail"),
    path("runs/<int:pk>/attempts/<int:attempt>/log/", views.download, name="log-download"),
]
