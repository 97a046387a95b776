"""Addresses of the viewer origin; nothing else answers there."""

from django.urls import path

from viewers_app.views import data, keeping, process, view

urlpatterns = [
    path("open", view.open_ticket, name="open"),
    path("view/<uuid:uuid>/", view.view, name="view"),
    path("view/<uuid:uuid>/renew", view.renew, name="renew"),
    path("view/<uuid:uuid>/save", keeping.save, name="save"),
    path("view/<uuid:uuid>/start", process.start, name="start"),
    path("states/<uuid:uuid>", view.state, name="state"),
    path("data/<uuid:uuid>/<path:key>", data.serve_key, name="data"),
    path("authorise", data.authorise, name="authorise"),
    path("authorise/<uuid:uuid>", process.authorise_view, name="authorise-view"),
    path("py/<uuid:uuid>/v/<str:token>/", process.python_client, name="python-client"),
    path("py/<uuid:uuid>/<path:path>", process.pass_on, name="pass-on"),
    path("neuroglancer/", view.client_root, name="client-root"),
    path("neuroglancer/v/<str:token>/", view.client, name="client"),
    path("healthz", view.healthz, name="healthz"),
]
handler400 = view.bad_request
handler403 = view.forbidden
handler404 = view.not_found
handler500 = view.server_error
