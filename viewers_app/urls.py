"""Addresses on the application origin, below /viewers/."""

from django.urls import path

from viewers_app.views import atlases, volumes

app_name = "viewers"
urlpatterns = [
    path("", volumes.volume_list, name="volume-list"),
    path("open/", volumes.open_view, name="open"),
    path("samples/<int:pk>/", volumes.sample_chooser, name="sample-chooser"),
    path("layers/<uuid:uuid>/", volumes.layer_page, name="layer-page"),
    path("thumbnails/<uuid:uuid>.png", volumes.thumbnail, name="thumbnail"),
    path("atlases/", atlases.atlas_list, name="atlas-list"),
    path("atlases/<uuid:uuid>.png", atlases.atlas_picture, name="atlas-picture"),
    path("again/<uuid:uuid>/", volumes.open_again, name="open-again"),
]
