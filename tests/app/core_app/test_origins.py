"""What the viewer origin sends is not taken for the application's own."""

from django.conf import settings
from django.test import Client

from core_app.models import User


def test_a_form_sent_from_the_viewer_origin_is_refused(researcher: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(researcher, backend="django.contrib.auth.backends.ModelBackend")
    client.get("/requests/new/")
    token = client.cookies[settings.CSRF_COOKIE_NAME].value
    form = {"csrfmiddlewaretoken": token, "about-name": "x", "action": "save"}

    refused = client.post("/requests/new/", form, headers={"origin": settings.VIEWER_URL})
    taken = client.post("/requests/new/", form, headers={"origin": settings.SITE_URL})

    assert (refused.status_code, taken.status_code) == (403, 302)
