"""Addresses of the viewer origin; nothing else answers there."""

from django.urls import path

from viewers_app.views import data, keeping, view

urlpatterns = [
    path("open", view.open_ticket, name="open"),
    path("view/<uuid:uuid>/", view.view, name="view"),
    path("view/<uuid:uuid>/renew", view.renew, name="renew"),
    path("view/<uuid:uuid>/save", keeping.save, name="save"),
    path("states/<uuid:uuid>", view.state, name="state"),
    path("data/<uuid:uuid>/<path:key>", data.serve_key, name="data"),
    path("authorise", data.authorise, name="authorise"),
    path("neuroglancer/", view.client_root, name="client-root"),
    path("neuroglancer/v/<str:token>/", view.client, name="client"),
    path("healthz", view.healthz, name="healthz"),
]
handler400 = view.bad_request
handler403 = view.forbidden
handler404 = view.not_found
handler500 = view.server_error
