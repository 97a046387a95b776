"""Addresses that are sent to people and printed. They are never used for anything else."""

from django.urls import path

from viewers_app.views import sharing

urlpatterns = [
    path("s/<str:token>", sharing.share_link, name="share-link"),
    path("states/<uuid:uuid>", sharing.saved_view, name="saved-view"),
]
