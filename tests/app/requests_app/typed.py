"""A new request as people type it: the three steps, pressed one after the other."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from requests_app.models import Request
from tests.support.scenarios import PROTOCOL

BACKEND = "django.contrib.auth.backends.ModelBackend"
JSON = {"accept": "application/json"}
HOSTILE = '"><script>alert(1)</script><b x-data="{a:1}">{{ 7*7 }}'


def about(**changes: str) -> dict[str, str]:
    """Return the first step, filled in. A tick that is not given is off."""
    typed = {
        "name": "New brains",
        "description": "What for.",
        "lab": "River lab",
        "correspondence_email": "researcher@example.org",
        "species": "mouse",
        "number_of_samples": "1",
        "retention": "important",
    } | changes
    return {f"about-{name}": value for name, value in typed.items()}


def objective(name: str = "1.3x", **changes: Any) -> dict[str, Any]:
    """Return one objective of a sample; channels as {"488": ["registration"]}."""
    return {
        "objective": name,
        "channels": {"488": ["registration"]},
        "notes_for_imager": "",
        "notes_for_processor": "",
        "atlas": "",
        "final_orientation": "sagittal",
    } | changes


def row(name: str = "brain-001", **changes: Any) -> dict[str, Any]:
    """Return one sample of the grid, filled in."""
    return {
        "name": name,
        "subject": "",
        "protocol": PROTOCOL,
        "antibody1": "",
        "antibody2": "",
        "perfusion_date": "",
        "expected_handoff_date": "2030-01-07",
        "notes_for_clearer": "",
        "imaging": [objective()],
    } | changes


def begin(client: Client, **changes: str) -> Request:
    """Save the first step of a new request."""
    answer = client.post("/requests/new/", about(**changes) | {"action": "save"}, headers=JSON)
    assert answer.status_code == 200, answer.content
    return Request.objects.order_by("-id")[0]


def save_samples(client: Client, draft: Request, rows: object, **more: object) -> HttpResponse:
    """Save the grid as its script does."""
    data = {"payload": json.dumps(rows), **more}
    return client.post(f"/drafts/{draft.pk}/samples/", data, headers=JSON)


def typed(client: Client, rows: object = None, **changes: str) -> Request:
    """Fill in the first two steps."""
    draft = begin(client, **changes)
    answer = save_samples(client, draft, [row()] if rows is None else rows)
    assert answer.status_code == 200, answer.content
    draft.refresh_from_db()
    return draft


def press_submit(client: Client, draft: Request, **more: object) -> HttpResponse:
    return client.post(f"/drafts/{draft.pk}/review/", more)


def submitted(client: Client, rows: object = None, **changes: str) -> Request:
    """Fill in and submit; return the request, which must have gone through."""
    draft = typed(client, rows, **changes)
    answer = press_submit(client, draft)
    assert answer.status_code == 302, problems(client, draft)
    draft.refresh_from_db()
    assert draft.state == "submitted"
    return draft


def problems(client: Client, draft: Request) -> dict[str, list[str]]:
    """Return what the grid marks after “Check”, by address."""
    draft.refresh_from_db()
    contents = (draft.draft or {}).get("samples", [])
    answer = save_samples(client, draft, contents, check="1")
    found: dict[str, list[str]] = answer.json()["problems"]
    return found


def text_of(answer: HttpResponse) -> str:
    return answer.content.decode()
