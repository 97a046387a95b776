"""Protocols are data: drafted, offered, replaced by a new version, and frozen once used."""

import pytest
from django.db import IntegrityError
from django.urls import reverse

from core_app.errors import Invalid, NotAllowed, NotReady, StaleState
from core_app.models import Event
from requests_app.models import ClearingProtocol, ProtocolStep, Species
from requests_app.selectors import bench_steps, offered_protocols
from requests_app.services import protocols
from tests.support.console import browser_of, page_of, press, words_of
from tests.support.scenarios import a_waiting_batch

pytestmark = pytest.mark.django_db
NAME = "iDISCO abbreviated clearing"


@pytest.fixture
def first():
    return ClearingProtocol.objects.get(name=NAME, version=1)


@pytest.fixture
def second(first, clearer):
    return protocols.copy_as_new_version(first, by=clearer)


@pytest.fixture
def console(clearer):
    return browser_of(clearer)


def offered(name=NAME):
    rows = offered_protocols().filter(name=name)
    return list(rows.values_list("version", flat=True))


def said_of(protocol):
    rows = Event.objects.filter(kind="clearingprotocol", object_id=protocol.pk).order_by("pk")
    return list(rows.values_list("verb", "note"))


def form_of(client, protocol):
    """Return what a browser would send of the page as it is shown now."""
    context = client.get(page_of(ClearingProtocol, "change", protocol.pk)).context
    (steps,) = context["inline_admin_formsets"]
    shown = [context["adminform"].form, steps.formset.management_form]
    sent = {"seen": context["seen"]}
    if steps.has_change_permission:  # else they are shown as plain text
        shown += steps.formset.initial_forms
    for form in shown:
        for name, field in form.fields.items():
            value = field.prepare_value(form.get_initial_for_field(field, name))
            if value is not None and value is not False:
                sent[form.add_prefix(name)] = value
    return sent


def save(client, protocol, sent):
    return client.post(page_of(ClearingProtocol, "change", protocol.pk), sent, follow=True)


def test_a_copy_is_offered_to_nobody_until_somebody_offers_it(second):
    assert (second.is_offered, offered()) == (False, [1])


def test_a_copy_tells_where_it_comes_from(second):
    assert said_of(second) == [("copied", "From version 1.")]


def test_offering_a_version_takes_the_older_one_back(first, second, clearer):
    replaced = protocols.offer(second, by=clearer)

    assert (replaced, offered()) == ([first], [2])
    assert said_of(second)[-1] == ("offered", "It replaces version 1.")
    assert said_of(first) == [("no longer offered", "Version 2 replaces it.")]


def test_other_protocols_stay_offered(second, clearer):
    protocols.offer(second, by=clearer)

    assert offered("uDISCO") == [1]


def test_offering_twice_changes_nothing(second, clearer):
    for _ in range(2):
        protocols.offer(second, by=clearer)

    assert [verb for verb, _ in said_of(second)] == ["copied", "offered"]


def test_an_older_version_is_not_offered_beside_a_newer_one(first, second, clearer):
    protocols.offer(second, by=clearer)

    with pytest.raises(NotReady, match="Version 2 is newer"):
        protocols.offer(first, by=clearer)

    assert offered() == [2]


def test_an_older_version_comes_back_once_the_newer_is_taken_back(first, second, clearer):
    protocols.offer(second, by=clearer)
    protocols.withdraw_offer(second, by=clearer)

    protocols.offer(first, by=clearer)

    assert offered() == [1]


def test_what_is_not_offered_is_not_taken_back(second, clearer):
    with pytest.raises(NotReady):
        protocols.withdraw_offer(second, by=clearer)


@pytest.mark.parametrize("act", ["offer", "withdraw_offer", "copy_as_new_version"])
def test_others_neither_copy_nor_offer(act, first, researcher):
    with pytest.raises(NotAllowed):
        getattr(protocols, act)(first, by=researcher)


def test_a_protocol_without_steps_is_not_offered(second, clearer):
    second.steps.all().delete()

    with pytest.raises(Invalid, match="It has no steps"):
        protocols.offer(second, by=clearer)

    assert offered() == [1]


def test_without_steps_it_is_offered_if_the_clearer_gives_a_link(clearer):
    experimental = ClearingProtocol.objects.get(name="experimental")
    copy = protocols.copy_as_new_version(experimental, by=clearer)

    protocols.offer(copy, by=clearer)

    assert offered("experimental") == [2]


def test_a_protocol_for_no_species_is_not_offered(second, clearer):
    second.species.clear()

    with pytest.raises(Invalid, match="No species"):
        protocols.offer(second, by=clearer)


@pytest.mark.parametrize(
    "odd", [{"usual_minutes": 0}, {"usual_minutes": 43_201}, {"note_max": 251}]
)
def test_a_step_that_cannot_be_is_not_offered(odd, second, clearer):
    ProtocolStep.objects.filter(pk=second.steps.first().pk).update(**odd)

    with pytest.raises(Invalid, match="Step 1 "):
        protocols.offer(second, by=clearer)


@pytest.mark.parametrize("name", ["position", "slug"])
def test_the_database_keeps_places_and_slugs_apart(name, second):
    one, other = second.steps.all()[:2]

    with pytest.raises(IntegrityError):
        ProtocolStep.objects.filter(pk=other.pk).update(**{name: getattr(one, name)})


def test_each_object_of_an_action_has_its_own_result(console, first, second):
    second.steps.all().delete()

    page = words_of(press(console, "offer_versions", second, first))

    assert "It has no steps" in page
    assert "offered in new requests" in page


def test_offers_are_given_and_taken_back_in_the_list(console, second):
    press(console, "offer_versions", second)
    after_offer = offered()
    press(console, "withdraw_offers", second)

    assert (after_offer, offered()) == ([2], [])


def test_staff_draft_a_protocol_with_steps(console):
    sent = {
        "name": "CUBIC", "version": 1, "title": "CUBIC for mice", "position": 9,
        "species": [Species.objects.get(name="mouse").pk], "is_offered": "on",
        "steps-TOTAL_FORMS": 2, "steps-INITIAL_FORMS": 0,
    }  # fmt: skip
    for number, slug in enumerate(["wash_1", "wash_2"]):
        sent |= {
            f"steps-{number}-position": number + 1, f"steps-{number}-phase": "wash",
            f"steps-{number}-slug": slug, f"steps-{number}-label": f"Wash {number + 1}",
            f"steps-{number}-usual_minutes": 60, f"steps-{number}-note_max": 100,
        }  # fmt: skip

    console.post(page_of(ClearingProtocol, "add"), sent)

    drafted = ClearingProtocol.objects.get(name="CUBIC")
    assert (drafted.is_offered, drafted.steps.count()) == (False, 2)
    assert [verb for verb, _ in said_of(drafted)] == ["drafted"]


def test_a_step_of_a_draft_is_corrected(console, second):
    sent = {**form_of(console, second), "steps-0-label": "Wash well", "steps-0-usual_minutes": 45}

    save(console, second, sent)

    step = second.steps.first()
    assert (step.label, step.usual_minutes) == ("Wash well", 45)
    assert said_of(second)[-1] == ("edited", "1 steps written")


def test_steps_change_places(console, second):
    before = list(second.steps.values_list("slug", flat=True))
    sent = {**form_of(console, second), "steps-0-position": 2, "steps-1-position": 1}

    save(console, second, sent)

    after = list(second.steps.values_list("slug", flat=True))
    assert after == [before[1], before[0], *before[2:]]


def test_steps_change_slugs(console, second):
    one, other = list(second.steps.all()[:2])
    sent = {**form_of(console, second), "steps-0-slug": other.slug, "steps-1-slug": one.slug}

    save(console, second, sent)

    assert [s.slug for s in second.steps.all()[:2]] == [other.slug, one.slug]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("position", 2, "Another step has the position 2."),
        ("slug", "pbs_wash2", "Another step has the slug pbs_wash2."),
        ("slug", "PBS_wash2", "Another step has the slug pbs_wash2."),
        ("position", 0, "greater than or equal to 1"),
        ("position", 100_000, "less than or equal to 9999"),
        ("label", "x" * 201, "at most 200 characters"),
        ("phase", "x" * 21, "at most 20 characters"),
        ("slug", "no blanks", "valid"),
        ("usual_minutes", 0, "greater than or equal to 1"),
        ("usual_minutes", 10**9, "less than or equal to 43200"),
        ("note_max", 251, "less than or equal to 250"),
    ],
)
def test_a_step_that_does_not_fit_is_an_error_of_the_form(name, value, said, console, second):
    before = list(second.steps.values())

    answer = save(console, second, {**form_of(console, second), f"steps-0-{name}": value})

    assert answer.status_code == 200
    assert said.casefold() in words_of(answer).casefold()
    assert list(second.steps.values()) == before


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"version": 1}, "already exists"),
        ({"version": 100_000}, "less than or equal to"),
        ({"name": "x" * 65}, "at most 64 characters"),
        ({"title": ""}, "required"),
    ],
)
def test_a_version_that_does_not_fit_is_an_error_of_the_form(values, said, console, second):
    answer = save(console, second, {**form_of(console, second), **values})

    assert (answer.status_code, said in words_of(answer)) == (200, True)


def test_a_removed_step_makes_room_for_another_in_its_place(console, second):
    sent = {**form_of(console, second), "steps-0-DELETE": "on", "steps-1-position": 1}

    save(console, second, sent)

    assert (second.steps.count(), second.steps.first().slug) == (13, "pbs_wash2")


def test_the_second_of_two_editors_is_told(console, manager, second, clearer):
    stale = {**form_of(console, second), "steps-0-label": "mine"}
    save(console, second, {**form_of(console, second), "steps-0-label": "theirs"})

    page = words_of(save(console, second, stale))

    assert "Somebody else changed this protocol" in page
    assert second.steps.first().label == "theirs"


def used(protocol, researcher):
    batch = a_waiting_batch(researcher)
    assert batch.protocol == protocol
    return batch


def test_a_used_version_is_frozen_in_the_service(first, researcher):
    used(first, researcher)
    step = first.steps.first()
    step.label = "changed"

    with pytest.raises(NotReady, match="is used by a batch"):
        protocols.write_steps(first, [step], [])
    with pytest.raises(NotReady):
        protocols.write_steps(first, [], [step])

    assert first.steps.first().label == "PBS wash 1"


@pytest.mark.parametrize(
    "change",
    [
        {"steps-0-label": "changed"},
        {"steps-0-position": 99},
        {"steps-0-DELETE": "on"},
        {"title": "changed"},
        {"name": "changed"},
        {"needs_link": "on"},
    ],
)
@pytest.mark.parametrize("person", ["clearer", "admin_person"])
def test_a_form_that_was_opened_before_the_batch_changes_nothing(
    person, change, first, researcher, request
):
    console = browser_of(request.getfixturevalue(person))
    stale = {**form_of(console, first), **change}
    used(first, researcher)
    before = (ClearingProtocol.objects.filter(pk=first.pk).values().get(), [*first.steps.values()])

    page = words_of(save(console, first, stale))

    after = (ClearingProtocol.objects.filter(pk=first.pk).values().get(), [*first.steps.values()])
    assert "is used by a batch, so it stays as it is" in page
    assert after == before


def test_a_step_cannot_be_added_to_a_used_version(first, researcher, console):
    used(first, researcher)
    sent = {
        "steps-TOTAL_FORMS": 1, "steps-INITIAL_FORMS": 0, "steps-0-position": 99,
        "steps-0-phase": "x", "steps-0-slug": "extra", "steps-0-label": "Extra",
        "steps-0-note_max": 10,
    }  # fmt: skip

    save(console, first, sent)

    assert not first.steps.filter(slug="extra").exists()


def test_a_used_version_is_not_deleted_even_by_a_superuser(first, researcher, admin_person):
    used(first, researcher)

    browser_of(admin_person).post(page_of(ClearingProtocol, "delete", first.pk), {"post": "yes"})

    assert ClearingProtocol.objects.filter(pk=first.pk).exists()


def test_the_species_of_a_used_version_may_change(first, researcher, console):
    used(first, researcher)
    rat = Species.objects.get(name="rat")

    hidden = {"steps-0-id": first.steps.first().pk, "steps-0-protocol": first.pk}
    save(console, first, {**form_of(console, first), **hidden, "species": [rat.pk]})

    assert list(first.species.all()) == [rat]


def test_an_old_batch_goes_on_with_its_version(first, second, researcher, clearer, client):
    batch = used(first, researcher)
    ProtocolStep.objects.filter(protocol=second, position=1).update(label="A new first wash")
    protocols.offer(second, by=clearer)

    text = browser_of(clearer).get(reverse("clearing:batch", args=[batch.pk])).content.decode()

    assert bench_steps(batch)[0].step.label == "PBS wash 1"
    assert "PBS wash 1" in text
    assert "A new first wash" not in text


def test_a_new_request_follows_the_version_that_is_offered(second, researcher, clearer):
    protocols.offer(second, by=clearer)

    assert a_waiting_batch(researcher).protocol == second


def test_an_unseen_page_is_old(second):
    with pytest.raises(StaleState):
        protocols.require_unchanged(second, seen=None)


def test_the_preview_shows_the_steps_as_the_bench_does(console, second):
    ProtocolStep.objects.filter(protocol=second, position=1).update(label="<b>Wash</b>")

    text = console.get(reverse("clearing:protocol-preview", args=[second.pk])).content.decode()

    assert "&lt;b&gt;Wash&lt;/b&gt;" in text
    assert text.count('class="step is-waiting"') == 14


def test_a_protocol_without_steps_has_a_preview_too(console):
    experimental = ClearingProtocol.objects.get(name="experimental")

    answer = console.get(reverse("clearing:protocol-preview", args=[experimental.pk]))

    assert "This protocol has no steps." in answer.content.decode()


def test_the_console_leads_to_the_preview(console, second):
    text = console.get(page_of(ClearingProtocol, "change", second.pk)).content.decode()

    assert reverse("clearing:protocol-preview", args=[second.pk]) in text
