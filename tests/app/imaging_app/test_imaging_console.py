"""Instruments and imaging in the staff console."""

import pytest
from django.urls import reverse

from imaging_app.models import ImagingBatch, Microscope
from tests.support.scenarios import (
    a_cleared_request,
    a_plan,
    a_request_being_imaged,
    a_submitted_request,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
MODELS = (
    "microscope", "objective", "imagingbatch", "imagingrequest", "imagingresolution", "rawdelivery",
)  # fmt: skip


@pytest.fixture
def console(client, imager):
    client.force_login(imager, backend=BACKEND)
    return client


@pytest.mark.parametrize("model", MODELS)
def test_an_imager_sees_the_list(console, researcher, clearer, imager, model):
    a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    response = console.get(reverse(f"admin:imaging_app_{model}_changelist"), {"q": "brain"})

    assert response.status_code == 200


def test_only_cleared_batches_start(console, researcher, clearer):
    a_submitted_request(researcher)
    ready = a_cleared_request(researcher, clearer=clearer, plan=a_plan("ready"))
    batches = list(ImagingBatch.objects.order_by("pk"))

    page = console.post(
        reverse("admin:imaging_app_imagingbatch_changelist"),
        {"action": "start_batches", "_selected_action": [b.pk for b in batches]},
        follow=True,
    ).content.decode()

    started = ImagingBatch.objects.get(state="in progress")
    assert started.clearing_batch.request == ready
    assert "These samples are still being cleared" in page


def test_what_was_imaged_keeps_its_names(console, researcher, clearer, imager):
    a_request_being_imaged(researcher, clearer=clearer, imager=imager)
    microscope = Microscope.objects.get(name="lavision")

    page = console.get(reverse("admin:imaging_app_microscope_change", args=[microscope.pk]))

    forms = page.context["inline_admin_formsets"][0].formset.forms
    locked = {f.instance.name: f.fields["name"].disabled for f in forms if f.instance.pk}
    assert locked == {"488": True, "555": False, "647": False, "790": False}


def test_imaging_cannot_be_deleted(console, researcher, clearer, imager):
    sample = a_request_being_imaged(researcher, clearer=clearer, imager=imager)

    address = reverse("admin:imaging_app_imagingrequest_delete", args=[sample.pk])

    assert console.get(address).status_code == 403
