"""Addresses of calendar feeds."""

from django.urls import path

from requests_app.views import feeds

app_name = "feeds"
urlpatterns = [
    path("", feeds.feed_list, name="list"),
    path("make/", feeds.make_feed, name="make"),
    path("<int:pk>/revoke/", feeds.revoke_feed, name="revoke"),
    path("<str:token>.ics", feeds.calendar, name="calendar"),
]
