"""Addresses on the application origin, below /viewers/."""

from django.urls import path

from viewers_app.views import atlases, saved, sharing, structures, volumes

app_name = "viewers"
urlpatterns = [
    path("", volumes.volume_list, name="volume-list"),
    path("open/", volumes.open_view, name="open"),
    path("samples/<int:pk>/", volumes.sample_chooser, name="sample-chooser"),
    path("layers/<uuid:uuid>/", volumes.layer_page, name="layer-page"),
    path("thumbnails/<uuid:uuid>.png", volumes.thumbnail, name="thumbnail"),
    path("atlases/", atlases.atlas_list, name="atlas-list"),
    path("atlases/<uuid:uuid>.png", atlases.atlas_picture, name="atlas-picture"),
    path("structures/", structures.structures, name="structures"),
    path("again/<uuid:uuid>/", volumes.open_again, name="open-again"),
    path("again/<uuid:uuid>/close/", volumes.close_view, name="close-view"),
    path("saved/", saved.saved_list, name="saved-list"),
    path("saved/<uuid:uuid>/", saved.saved_page, name="saved-page"),
    path("saved/<uuid:uuid>/open/<int:number>/", saved.open_version, name="saved-open"),
    path("saved/<uuid:uuid>/rename/", saved.rename, name="saved-rename"),
    path("saved/<uuid:uuid>/remove/", saved.remove, name="saved-remove"),
    path("saved/<uuid:uuid>/restore/", saved.restore, name="saved-restore"),
    path("saved/<uuid:uuid>/annotations.csv", saved.annotation_table, name="saved-annotations"),
    path("saved/<uuid:uuid>/share/", sharing.make_link, name="share"),
    path("saved/<uuid:uuid>/links/<int:pk>/revoke/", sharing.revoke_link, name="link-revoke"),
    path("saved/<uuid:uuid>/links/<int:pk>/extend/", sharing.extend_link, name="link-extend"),
    path("shared/", saved.shared_with_me, name="shared-with-me"),
]
