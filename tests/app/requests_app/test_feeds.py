"""Calendar feeds: what a calendar program reads at a secret address, and who makes such ones."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from icalendar import Calendar

from core_app import feeds
from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import CalendarFeed, User
from core_app.roles import Role
from requests_app.feeds import Entry, calendar_of
from requests_app.models import ClearingBatch
from requests_app.services import clearing, planning
from requests_app.workflows import withdraw_request
from tests.support.people import a_person
from tests.support.scenarios import (
    a_batch_being_cleared,
    a_plan,
    a_sample_plan,
    a_submitted_request,
    a_waiting_batch,
)

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
HOSTILE = "Ann\r\nEND:VCALENDAR\nX-EVIL:1; a, b \\ 💥 " + "long " * 40


@pytest.fixture(autouse=True)
def _in_berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"
    settings.WORKDAY_START, settings.WORKDAY_END = 8, 18


def read(client, token):
    response = client.get(f"/feeds/{token}.ics")
    assert response.status_code == 200
    return Calendar.from_ical(response.content).walk("VEVENT")


def titles(events):
    return [str(event["summary"]) for event in events]


def a_planned_batch(owner, clearer, plan=None):
    batch = a_waiting_batch(owner, plan)
    clearing.claim(batch, by=clearer)
    planning.make_plan(batch, start=timezone.now() + timedelta(days=3), by=clearer)
    return batch


def test_the_token_is_long_and_only_its_digest_is_kept(clearer):
    token = feeds.make_feed(clearer, "mine")

    feed = CalendarFeed.objects.get()
    assert len(token) >= 43
    assert token not in {str(value) for value in vars(feed).values()}
    assert feed.digest == feeds.digest_of(token)


def test_my_planned_steps_are_events_in_universal_time(client, researcher, clearer):
    batch = a_planned_batch(researcher, clearer)
    token = feeds.make_feed(clearer, "mine")

    events = read(client, token)

    first = events[0]
    # A calendar knows whole seconds.
    assert first["dtstart"].dt == batch.plan.first().starts_at.replace(microsecond=0)
    assert first["dtstart"].dt.tzinfo is not None
    assert first["dtstart"].to_ical().endswith(b"Z")
    assert first["dtend"].dt > first["dtstart"].dt
    assert all(event["dtstamp"].dt and event["uid"] for event in events)


def test_short_steps_of_one_phase_are_one_event_with_its_list(client, researcher, clearer):
    a_planned_batch(researcher, clearer)

    events = read(client, feeds.make_feed(clearer, "mine"))

    assert "researcher/first brains batch 1: PBS wash (3 steps)" in titles(events)
    listed = "".join(str(event["description"]) for event in events)
    assert listed.count("methanol; rocking") == 5


def test_the_same_steps_keep_their_ids(client, researcher, clearer):
    a_planned_batch(researcher, clearer)
    token = feeds.make_feed(clearer, "mine")

    first, second = read(client, token), read(client, token)

    ids = [str(event["uid"]) for event in first]
    assert ids == [str(event["uid"]) for event in second]
    assert len(set(ids)) == len(ids)


def test_what_is_logged_or_over_is_gone(client, researcher, clearer):
    batch = a_batch_being_cleared(researcher, by=clearer)
    token = feeds.make_feed(clearer, "mine")
    before = "".join(str(e["description"]) for e in read(client, token))
    clearing.record_step(batch, "pbs_wash1", performed_at=timezone.now(), by=clearer)
    after = "".join(str(e["description"]) for e in read(client, token))

    clearing.complete(batch, by=clearer, skip_missing=True)

    assert "PBS wash 1" in before
    assert "PBS wash 1" not in after
    assert read(client, token) == []


def test_mine_are_not_my_colleagues_and_clearing_is_everybodys(client, researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    a_planned_batch(researcher, colleague)

    mine = read(client, feeds.make_feed(clearer, "mine"))
    all_of_it = read(client, feeds.make_feed(clearer, "clearing"))

    assert mine == []
    assert all_of_it


def test_hand_offs_are_events_of_whole_days(client, researcher, clearer):
    plan = a_plan(samples=[a_sample_plan("s1"), a_sample_plan("s2")])
    a_submitted_request(researcher, plan)

    (event,) = read(client, feeds.make_feed(clearer, "handoffs"))

    assert str(event["summary"]) == "Hand-off: researcher/first brains (2 tubes)"
    assert event["dtstart"].to_ical() == b"20300107"
    assert event["dtstart"].params["VALUE"] == "DATE"


def test_a_researcher_sees_their_own_hand_offs(client, researcher, stranger):
    a_submitted_request(researcher)
    a_submitted_request(stranger, a_plan("others", lab="Hill lab"))

    events = read(client, feeds.make_feed(researcher, "mine"))

    assert titles(events) == ["Hand-off: researcher/first brains (1 tube)"]


def test_a_withdrawn_request_is_in_no_calendar(client, researcher, clearer):
    batch = a_planned_batch(researcher, clearer)
    withdraw_request(batch.request, by=researcher, reason="A mistake")

    for scope in ("mine", "clearing", "handoffs"):
        assert read(client, feeds.make_feed(clearer, scope)) == []


@pytest.mark.parametrize("scope", ["clearing", "handoffs"])
def test_only_staff_subscribe_to_everybodys_work(researcher, scope):
    with pytest.raises(NotAllowed):
        feeds.make_feed(researcher, scope)


def test_an_unknown_scope_is_refused(clearer):
    with pytest.raises(Invalid):
        feeds.make_feed(clearer, "everything")


def test_who_lost_the_role_gets_only_what_is_theirs(client, researcher, clearer):
    colleague = a_person("colleague", role=Role.CLEARER)
    a_planned_batch(researcher, colleague)
    tokens = [feeds.make_feed(clearer, scope) for scope in ("clearing", "handoffs")]

    clearer.groups.clear()

    assert [read(client, token) for token in tokens] == [[], []]


@pytest.mark.parametrize("token", ["guessed", "x" * 300, "%00", "..%2f..%2fetc"])
def test_a_guessed_address_does_not_exist(client, token):
    assert client.get(f"/feeds/{token}.ics").status_code == 404


def test_a_revoked_address_ends(client, clearer):
    token = feeds.make_feed(clearer, "mine")

    feeds.revoke_feed(CalendarFeed.objects.get().pk, by=clearer)

    assert client.get(f"/feeds/{token}.ics").status_code == 404


def test_the_address_of_a_closed_account_ends(client, clearer):
    token = feeds.make_feed(clearer, "mine")

    User.objects.filter(pk=clearer.pk).update(is_active=False)

    assert client.get(f"/feeds/{token}.ics").status_code == 404


def test_nobody_revokes_anothers(clearer, researcher):
    feeds.make_feed(clearer, "mine")

    assert not feeds.revoke_feed(CalendarFeed.objects.get().pk, by=researcher)
    assert CalendarFeed.objects.get().revoked_at is None


def test_there_is_an_end_to_addresses(clearer):
    for _ in range(feeds.MOST_FEEDS):
        feeds.make_feed(clearer, "mine")

    with pytest.raises(NotReady, match="revoke one"):
        feeds.make_feed(clearer, "mine")


def test_a_read_is_noted_at_most_once_an_hour(client, clearer):
    token = feeds.make_feed(clearer, "mine")
    read(client, token)
    first = CalendarFeed.objects.get().last_used_at
    read(client, token)
    second = CalendarFeed.objects.get().last_used_at
    CalendarFeed.objects.update(last_used_at=first - timedelta(hours=2))
    read(client, token)

    assert first == second
    assert CalendarFeed.objects.get().last_used_at > first


def test_the_answer_is_private_and_sets_no_cookie(client, clearer):
    response = client.get(f"/feeds/{feeds.make_feed(clearer, 'mine')}.ics")

    assert response["Cache-Control"].startswith("private")
    assert response["Content-Type"] == "text/calendar; charset=utf-8"
    assert not response.cookies


def test_hostile_text_is_folded_and_escaped():
    begins = datetime(2030, 1, 7, 8, tzinfo=UTC)
    entry = Entry("uid", begins, begins + timedelta(hours=1), HOSTILE, HOSTILE, "https://x.example")

    text = calendar_of([entry], name=HOSTILE, stamp=begins)

    (event,) = Calendar.from_ical(text).walk("VEVENT")
    assert "X-EVIL" not in event
    assert str(event["summary"]).startswith("Ann\nEND:VCALENDAR\nX-EVIL:1; a, b \\ 💥")
    assert max(len(line) for line in text.split(b"\r\n")) <= 75


def test_the_page_shows_a_new_address_once(client, clearer):
    client.force_login(clearer, backend=BACKEND)

    page = client.post("/feeds/make/", {"scope": "clearing"}).content.decode()

    address = next(word for word in page.split('"data-copy-text>')[-1].split("<") if ".ics" in word)
    token = urlsplit(address.rpartition(">")[2]).path.removeprefix("/feeds/").removesuffix(".ics")
    assert client.get(f"/feeds/{token}.ics").status_code == 200
    assert token not in client.get("/feeds/").content.decode()


def test_the_page_lists_and_revokes(client, clearer):
    client.force_login(clearer, backend=BACKEND)
    feeds.make_feed(clearer, "mine")
    page = client.get("/feeds/").content.decode()

    client.post(f"/feeds/{CalendarFeed.objects.get().pk}/revoke/")

    assert "What is planned for me" in page
    assert "never" in page
    assert "You have no calendar address." in client.get("/feeds/").content.decode()


def test_the_number_of_queries_does_not_grow(
    client, researcher, clearer, django_assert_max_num_queries
):
    for number in range(4):
        a_planned_batch(researcher, clearer, a_plan(f"planned {number}"))
    token = feeds.make_feed(clearer, "mine")

    with django_assert_max_num_queries(9):
        client.get(f"/feeds/{token}.ics")

    assert ClearingBatch.objects.count() == 4
