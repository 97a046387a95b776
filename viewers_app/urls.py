"""Addresses on the application origin, below /viewers/."""

from django.urls import path

from viewers_app.views import volumes

app_name = "viewers"
urlpatterns = [
    path("", volumes.volume_list, name="volume-list"),
    path("open/", volumes.open_view, name="open"),
    path("samples/<int:pk>/", volumes.sample_chooser, name="sample-chooser"),
    path("layers/<uuid:uuid>/", volumes.layer_page, name="layer-page"),
    path("thumbnails/<uuid:uuid>.png", volumes.thumbnail, name="thumbnail"),
    path("again/<uuid:uuid>/", volumes.open_again, name="open-again"),
]
