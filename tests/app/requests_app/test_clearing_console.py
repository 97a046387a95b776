"""Clearing in the staff console: the same services, one outcome per object."""

import pytest
from django.urls import reverse
from django.utils.html import strip_tags

from requests_app.models import ClearingBatch, ClearingProtocol
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_plan,
    a_received_batch,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
BATCHES = "admin:requests_app_clearingbatch"
PROTOCOLS = "admin:requests_app_clearingprotocol"


@pytest.fixture
def console(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def press(client, page, action, *objects, **answers):
    data = {"action": action, "_selected_action": [obj.pk for obj in objects], **answers}
    return client.post(reverse(f"{page}_changelist"), data, follow=True)


def words_of(answer):
    return strip_tags(answer.content.decode())


def test_each_batch_gets_its_own_outcome(console, researcher, clearer):
    waiting = a_waiting_batch(researcher, a_plan("waiting"))
    unlogged = a_batch_being_cleared(researcher, by=clearer, plan=a_plan("unlogged"))

    page = words_of(press(console, BATCHES, "complete_batches", waiting, unlogged, answered="yes"))

    assert "researcher/waiting clearing batch 1: The batch is not started yet" in page
    assert "researcher/unlogged clearing batch 1: 14 of 14 steps are not logged" in page


def test_batches_are_started_from_the_list(console, researcher, clearer):
    batch = a_received_batch(researcher, by=clearer)

    press(console, BATCHES, "start_batches", batch)

    assert ClearingBatch.objects.get(pk=batch.pk).clearer == clearer


def test_the_state_cannot_be_typed_in(console, researcher):
    batch = a_waiting_batch(researcher)
    data = {
        "state": "complete", "notes_for_clearer": "mind the bulb", "log-TOTAL_FORMS": 0,
        "log-INITIAL_FORMS": 0,
    }  # fmt: skip

    console.post(reverse(f"{BATCHES}_change", args=[batch.pk]), data)

    batch.refresh_from_db()
    assert (batch.state, batch.notes_for_clearer) == ("waiting", "mind the bulb")


def test_a_batch_cannot_be_deleted(console, researcher):
    batch = a_waiting_batch(researcher)

    assert console.get(reverse(f"{BATCHES}_delete", args=[batch.pk])).status_code == 403


def test_a_used_protocol_is_frozen(console, researcher):
    protocol = a_waiting_batch(researcher).protocol

    page = console.get(reverse(f"{PROTOCOLS}_change", args=[protocol.pk])).content.decode()

    assert 'name="title"' not in page
    assert 'name="steps-0-label"' not in page
    assert 'name="position"' in page


def test_an_unused_protocol_can_be_edited(console):
    protocol = ClearingProtocol.objects.get(name="uDISCO")

    page = console.get(reverse(f"{PROTOCOLS}_change", args=[protocol.pk])).content.decode()

    assert 'name="title"' in page
    assert 'name="steps-0-label"' in page


def test_a_used_protocol_is_copied_as_a_new_version(console, researcher):
    protocol = a_waiting_batch(researcher).protocol

    press(console, PROTOCOLS, "copy_versions", protocol)

    assert ClearingProtocol.objects.filter(name=protocol.name, version=2, is_offered=False).exists()


def test_a_researcher_has_no_console(client, researcher):
    client.force_login(researcher, backend=BACKEND)

    response = client.get(reverse(f"{BATCHES}_changelist"))

    assert response.status_code == 302
