"""Two people at one form: nobody overwrites the other unseen, and nothing typed is lost."""

import pytest
from django.test import Client
from django.urls import reverse

from core_app.models import Event
from processing_app.models import ChannelCorrection, Run
from processing_app.selectors.corrections import channels_to_correct
from tests.support import processed

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def ready(researcher, clearer, imager):
    return processed.a_ready_round(researcher, clearer=clearer, imager=imager)


@pytest.fixture
def stitched(researcher, clearer, imager):
    return processed.a_stitched_sample(researcher, clearer=clearer, imager=imager)


def desk_of(person):
    desk = Client()
    desk.force_login(person, backend=BACKEND)
    return desk


@pytest.fixture
def owner(researcher):
    return desk_of(researcher)


@pytest.fixture
def colleague(processor):
    return desk_of(processor)


def text_of(answer):
    return " ".join(answer.content.decode().split())


# --- rounds


def round_page(one):
    return reverse("processing:round", args=[one.pk])


def sent(desk, one, seen, *, action="keep", **values):
    row = one.resolutions.get()
    fields = {"final_orientation": "sagittal", "notes": "", "atlas": "", **values}
    typed = {f"place-{row.pk}-{name}": value for name, value in fields.items()}
    address = reverse("processing:round-enter", args=[one.pk])
    return desk.post(address, {"action": action, "seen": seen, **typed})


def seen_on(desk, address):
    return desk.get(address).context["seen"]


def changes_of(one):
    rows = Event.objects.filter(kind=one.KIND, object_id=one.pk, verb="entry changed")
    return list(rows.order_by("id").values_list("by__username", "note"))


def test_what_was_entered_is_in_the_history_before_and_after(ready, owner):
    atlas = processed.an_installed_atlas()
    seen = seen_on(owner, round_page(ready))

    sent(owner, ready, seen, atlas=atlas.pk, final_orientation="coronal", notes="all well")

    ((who, note),) = changes_of(ready)
    assert who == "researcher"
    assert "atlas: nothing → The small atlas" in note
    assert "final orientation: Sagittal → Coronal" in note
    assert "notes from processing: nothing → all well" in note


def test_the_same_again_is_no_news(ready, owner):
    seen = seen_on(owner, round_page(ready))

    answers = [sent(owner, ready, seen, notes="all well") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert len(changes_of(ready)) == 1


def test_the_second_of_two_savers_is_told_what_the_first_did(ready, owner, colleague):
    seen = seen_on(owner, round_page(ready))
    sent(colleague, ready, seen, notes="cut the olfactory bulb")

    answer = sent(owner, ready, seen, notes="all well")

    assert answer.status_code == 422
    assert "processor changed this while your page was open" in text_of(answer)
    assert "notes from processing: nothing → cut the olfactory bulb" in text_of(answer)
    assert "> all well</textarea>" in text_of(answer)
    assert ready.resolutions.get().notes_from_processing == "cut the olfactory bulb"


def test_who_has_seen_it_may_save_over_it(ready, owner, colleague):
    seen = seen_on(owner, round_page(ready))
    sent(colleague, ready, seen, notes="first")
    refused = sent(owner, ready, seen, notes="second")

    sent(owner, ready, refused.context["seen"], notes="second")

    assert ready.resolutions.get().notes_from_processing == "second"


def test_a_start_does_not_overwrite_unseen_either(ready, owner, colleague):
    seen = seen_on(owner, round_page(ready))
    sent(colleague, ready, seen, notes="first")

    answer = sent(owner, ready, seen, action="start", notes="second")

    assert answer.status_code == 422
    assert not Run.objects.filter(processing_request=ready).exists()


@pytest.mark.parametrize("action", ["start", "keep"])
def test_what_was_typed_comes_back_if_it_was_started_meanwhile(action, ready, owner, colleague):
    seen = seen_on(owner, round_page(ready))
    sent(colleague, ready, seen, action="start")

    answer = sent(owner, ready, seen, action=action, notes="a long story")

    assert answer.status_code == 422
    assert "processor changed this while your page was open (running)" in text_of(answer)
    assert "What you typed still stands below" in text_of(answer)
    assert "> a long story</textarea>" in text_of(answer)
    assert "Start processing" not in text_of(answer)


# --- corrections


def correction_page(sample):
    return reverse("processing:correction", args=[sample.pk])


def corrected(desk, sample, seen, **values):
    fields = {
        "flat_from": "estimated", "flat_name": "", "sigma_foreground": "8",
        "sigma_background": "128", **values,
    }  # fmt: skip
    typed = {
        f"{channel.pk}-{name}": value
        for channel in channels_to_correct(sample)
        for name, value in fields.items()
    }
    return desk.post(correction_page(sample), {"seen": seen, **typed})


def test_two_who_correct_one_sample_do_not_overwrite_each_other(stitched, owner, colleague):
    seen = seen_on(owner, correction_page(stitched))
    corrected(colleague, stitched, seen, sigma_foreground="16")

    answer = corrected(owner, stitched, seen, sigma_foreground="32")
    kept = set(ChannelCorrection.objects.values_list("sigma_foreground", flat=True))
    again = corrected(owner, stitched, answer.context["seen"], sigma_foreground="32")

    assert answer.status_code == 422
    assert "Somebody changed this while your page was open" in text_of(answer)
    said = "488 (processor): flat field: estimated from the planes; stripes: 16.0"
    assert said in text_of(answer)
    assert 'value="32"' in text_of(answer)
    assert kept == {16.0}
    assert again.status_code == 302


def test_the_same_correction_sent_twice_is_no_clash(stitched, owner):
    seen = seen_on(owner, correction_page(stitched))

    answers = [corrected(owner, stitched, seen) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]


def test_a_typed_correction_comes_back_if_it_was_started_meanwhile(stitched, owner, processor):
    seen = seen_on(owner, correction_page(stitched))
    (run,) = processed.started(processed.a_round(stitched), by=processor)

    answer = corrected(owner, stitched, seen, sigma_foreground="77")

    assert answer.status_code == 422
    assert f"It is being corrected now: processor began {run}." in text_of(answer)
    assert "What you typed still stands below" in text_of(answer)
    assert 'value="77"' in text_of(answer)
    assert not ChannelCorrection.objects.exists()
