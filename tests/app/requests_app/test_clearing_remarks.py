"""The two remarks of a batch: saved as typed, never over a colleague's unseen."""

import pytest
from django.urls import reverse
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed, StaleState
from core_app.roles import Role
from requests_app.models import ClearingBatch
from requests_app.services import clearing, remarks
from requests_app.services.remarks import save_remark
from tests.support.people import a_person
from tests.support.scenarios import a_batch_being_cleared

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
FIELD = "unusual_clearing"
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


@pytest.fixture
def batch(researcher, clearer):
    return a_batch_being_cleared(researcher, by=clearer)


@pytest.fixture
def bench(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    return client


def stands(batch):
    return ClearingBatch.objects.get(pk=batch.pk).unusual_clearing


def post(client, batch, *, htmx=True, **data):
    headers = {"HX-Request": "true"} if htmx else {}
    return client.post(
        reverse("clearing:batch-remark", args=[batch.pk, FIELD]), data, headers=headers
    )


@pytest.mark.parametrize("field", remarks.FIELDS)
def test_a_remark_is_saved(batch, clearer, field):
    save_remark(batch, field, " A leak. ", seen="", by=clearer)

    assert getattr(ClearingBatch.objects.get(pk=batch.pk), field) == "A leak."


def test_saving_twice_is_harmless(batch, clearer):
    save_remark(batch, FIELD, "A leak.", seen="", by=clearer)

    save_remark(batch, FIELD, "A leak.", seen="", by=clearer)

    assert stands(batch) == "A leak."


def test_a_colleagues_remark_is_not_overwritten(batch, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    save_remark(batch, FIELD, "theirs", seen="", by=colleague)

    with pytest.raises(StaleState):
        save_remark(batch, FIELD, "mine", seen="", by=clearer)

    assert stands(batch) == "theirs"


def test_five_hundred_characters_fit_and_one_more_does_not(batch, clearer):
    save_remark(batch, FIELD, "x" * 500, seen="", by=clearer)

    with pytest.raises(Invalid, match="501 characters"):
        save_remark(batch, FIELD, "y" * 501, seen="x" * 500, by=clearer)


def test_line_ends_count_once(batch, clearer):
    save_remark(batch, FIELD, "a\r\n" * 166 + "bc", seen="", by=clearer)
    save_remark(batch, FIELD, "shorter", seen="a\r\n" * 166 + "bc", by=clearer)

    assert stands(batch) == "shorter"


def test_nothing_is_remarked_on_a_finished_batch(batch, clearer):
    clearing.complete(batch, by=clearer, skip_missing=True)

    with pytest.raises(NotAllowed):
        save_remark(ClearingBatch.objects.get(pk=batch.pk), FIELD, "late", seen="", by=clearer)


def test_the_owner_writes_no_remark(batch, researcher):
    with pytest.raises(NotAllowed):
        save_remark(batch, FIELD, "mine", seen="", by=researcher)


def test_the_script_is_told_that_it_is_saved(bench, batch):
    response = post(bench, batch, text="A leak.", seen="")

    assert response.status_code == 200
    assert "Saved" in response.content.decode()
    assert 'name="seen" value="A leak."' in response.content.decode()


def test_both_texts_are_shown_and_mine_can_replace_it(bench, batch):
    save_remark(batch, FIELD, "theirs", seen="", by=a_person("colleague", role=Role.CLEARER))

    refused = post(bench, batch, text="mine", seen="")
    post(bench, batch, text="still mine", seen="")
    stood = stands(batch)
    post(bench, batch, text="mine", seen="", replaces_text="theirs")

    page = refused.content.decode()
    assert refused.status_code == 422
    assert "theirs" in page
    assert "mine" in page
    assert (stood, stands(batch)) == ("theirs", "mine")


def test_without_script_the_page_shows_both(bench, batch):
    save_remark(batch, FIELD, "theirs", seen="", by=a_person("colleague", role=Role.CLEARER))

    page = post(bench, batch, htmx=False, text="mine", seen="").content.decode()

    assert "theirs" in page
    assert ">mine</textarea>" in page


def test_without_script_a_button_saves(bench, batch):
    assert post(bench, batch, htmx=False, text="A leak.", seen="").status_code == 302
    assert stands(batch) == "A leak."


def test_an_unknown_remark_does_not_exist(bench, batch):
    address = reverse("clearing:batch-remark", args=[batch.pk, "state"])

    assert bench.post(address, {"text": "complete"}).status_code == 404


def test_hostile_text_is_shown_as_text(bench, batch):
    post(bench, batch, text=HOSTILE, seen="")

    for page in ("batch", "batch-log"):
        html = bench.get(reverse(f"clearing:{page}", args=[batch.pk])).content.decode()
        assert "&lt;script&gt;alert" in html
        assert "<img src=x" not in html


def test_what_another_person_typed_on_this_computer_is_not_saved_as_mine(bench, batch):
    address = reverse("clearing:step-record", args=[batch.pk, "pbs_wash1"])

    response = bench.post(address, {"when": "now", "replaces": 0, "person": "colleague"})

    assert response.status_code == 422
    assert "colleague typed this, and you are clearer" in response.content.decode()
    assert not batch.log.exists()


def test_done_at_names_the_facilitys_zone(bench, batch, settings):
    settings.TIME_ZONE = "Europe/Berlin"

    page = bench.get(reverse("clearing:batch", args=[batch.pk])).content.decode()

    assert "(Europe/Berlin)" in page


def test_notes_of_all_samples_reach_the_clearer(client, researcher, clearer):
    from tests.support.scenarios import a_plan, a_sample_plan

    plan = a_plan(
        "two tubes",
        samples=[
            a_sample_plan("s1", notes_for_clearer="mind the bulb"),
            a_sample_plan("s2", notes_for_clearer="very young"),
        ],
    )
    batch = a_batch_being_cleared(researcher, by=clearer, plan=plan)
    client.force_login(clearer, backend=BACKEND)

    page = client.get(reverse("clearing:batch", args=[batch.pk])).content.decode()

    assert "mind the bulb (s1)" in page
    assert "very young (s2)" in page


def test_a_saved_entry_is_there_when_the_page_is_opened_again(bench, batch, clearer):
    clearing.record_step(
        batch, "pbs_wash1", performed_at=timezone.now(), by=clearer, note="kept words"
    )

    page = bench.get(reverse("clearing:batch", args=[batch.pk])).content.decode()

    assert 'value="kept words"' in page
