"""The staff console as a person uses it: press an action, answer its question, read the words."""

import html
from typing import Any

from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from core_app.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)><i x-data x-init='alert(2)'>"


def page_of(model: type[Model], page: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(User.objects.get(pk=user.pk), backend=BACKEND)
    return client


def press(client: Client, action: str, *objects: Model, **answers: Any) -> HttpResponse:
    """Choose the objects in their list and press the action, with the answers if it asked."""
    data = {"action": action, "_selected_action": [obj.pk for obj in objects], **answers}
    return client.post(page_of(type(objects[0]), "changelist"), data, follow=True)


def answer(client: Client, action: str, *objects: Model, **answers: Any) -> HttpResponse:
    """Press the button of the page that asked."""
    return press(client, action, *objects, answered="yes", **answers)


def words_of(answered: HttpResponse) -> str:
    """Return what is to be read on the page, in single blanks."""
    return " ".join(html.unescape(strip_tags(answered.content.decode())).split())
