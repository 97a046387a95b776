"""Views: rights at opening, tickets that work once, and their end."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from core_app.errors import Invalid, NotAllowed
from core_app.models import Event, User
from viewers_app import tasks
from viewers_app.models import DataLayer, Ticket, ViewerSession
from viewers_app.services import sessions
from viewers_app.services.sessions import Gone, OpenedView


@pytest.fixture
def opened(layer: DataLayer, researcher: User) -> OpenedView:
    return sessions.open_view(sessions.Wanted([layer], "brain-001 · Raw"), by=researcher)


def token_of(opened: OpenedView) -> str:
    return opened.url.partition("?ticket=")[2]


def pass_time(**delta: float) -> None:
    """Move what is stored into the past, which is the same as waiting."""
    moved = timedelta(**delta)
    for ticket in Ticket.objects.all():
        Ticket.objects.filter(pk=ticket.pk).update(expires_at=ticket.expires_at - moved)
    for session in ViewerSession.objects.all():
        ends = session.expires_at - moved
        ViewerSession.objects.filter(pk=session.pk).update(expires_at=ends)


def test_opening_leads_to_the_viewer_origin(opened: OpenedView) -> None:
    assert opened.url.startswith(f"{settings.VIEWER_URL}/open?ticket=")


def test_an_opened_view_is_ready_and_its_history_says_who_opened_it(
    opened: OpenedView, researcher: User
) -> None:
    events = Event.objects.filter(kind="viewer session", object_id=opened.session.pk)

    assert opened.session.state == "ready"
    assert [(event.to, event.by) for event in events] == [
        ("requested", researcher),
        ("ready", researcher),
    ]


def test_a_view_stores_layers_but_no_address_and_no_secret(
    opened: OpenedView, layer: DataLayer
) -> None:
    assert opened.session.spec == {
        "version": 2, "layers": [str(layer.uuid)], "recipe": "", "options": {}
    }  # fmt: skip


def test_only_the_digest_of_a_ticket_is_stored(opened: OpenedView) -> None:
    stored = Ticket.objects.get().digest

    assert stored == hashlib.sha256(token_of(opened).encode()).hexdigest()
    assert len(token_of(opened)) >= 43


def test_a_stranger_opens_nothing(layer: DataLayer, stranger: User) -> None:
    with pytest.raises(NotAllowed, match="not yours"):
        sessions.open_view(sessions.Wanted([layer], "x"), by=stranger)

    assert not ViewerSession.objects.exists()


def test_one_foreign_volume_among_own_ones_refuses_all(
    layer: DataLayer, stranger: User, layer_of: Callable[[User], DataLayer]
) -> None:
    own = layer_of(stranger)

    with pytest.raises(NotAllowed):
        sessions.open_view(sessions.Wanted([own, layer], "x"), by=stranger)


def test_a_view_of_nothing_is_refused(researcher: User) -> None:
    with pytest.raises(Invalid, match="at least one"):
        sessions.open_view(sessions.Wanted([], "x"), by=researcher)


def test_a_ticket_works_once(opened: OpenedView) -> None:
    assert sessions.use_ticket(token_of(opened)) == opened.session

    with pytest.raises(Gone):
        sessions.use_ticket(token_of(opened))


def test_a_ticket_is_worth_nothing_after_a_minute(opened: OpenedView) -> None:
    pass_time(seconds=settings.VIEWER_TICKET_AGE_S)

    with pytest.raises(Gone):
        sessions.use_ticket(token_of(opened))


@pytest.mark.parametrize("token", ["", "x", "\0", "é" * 5000])
def test_an_invented_ticket_is_refused(opened: OpenedView, token: str) -> None:
    with pytest.raises(Gone):
        sessions.use_ticket(token)


def test_a_ticket_of_a_stopped_view_is_refused(opened: OpenedView, operator: User) -> None:
    sessions.stop_session(opened.session, by=operator)

    with pytest.raises(Gone):
        sessions.use_ticket(token_of(opened))


def test_a_ticket_of_a_deactivated_person_is_refused(opened: OpenedView, researcher: User) -> None:
    User.objects.filter(pk=researcher.pk).update(is_active=False)

    with pytest.raises(Gone):
        sessions.use_ticket(token_of(opened))


@pytest.mark.django_db(transaction=True)
def test_of_two_racing_uses_of_a_ticket_one_wins(opened: OpenedView) -> None:
    together = threading.Barrier(2)
    outcomes: list[str] = []

    def use() -> None:
        together.wait()
        try:
            sessions.use_ticket(token_of(opened))
            outcomes.append("opened")
        except Gone:
            outcomes.append("gone")
        finally:
            connection.close()

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["gone", "opened"]


def test_renewing_notes_the_time(opened: OpenedView) -> None:
    before = timezone.now()

    sessions.renew(opened.session)

    opened.session.refresh_from_db()
    assert opened.session.last_activity_at >= before


def test_a_stopped_view_is_not_renewed(opened: OpenedView, operator: User) -> None:
    sessions.stop_session(opened.session, by=operator)

    with pytest.raises(Gone):
        sessions.renew(opened.session)


def test_stopping_twice_changes_nothing(opened: OpenedView, operator: User) -> None:
    sessions.stop_session(opened.session, by=operator)
    sessions.stop_session(opened.session, by=operator)

    assert Event.objects.filter(kind="viewer session", to="stopped").count() == 1


def test_a_view_ends_when_its_time_is_over(opened: OpenedView) -> None:
    pass_time(seconds=settings.VIEWER_MAX_AGE_S)

    assert tasks.expire_sessions() == "1 views expired"

    opened.session.refresh_from_db()
    assert opened.session.state == "expired"
    assert not Ticket.objects.exists()


def test_a_young_view_is_left_alone(opened: OpenedView) -> None:
    assert sessions.expire_sessions() == 0

    opened.session.refresh_from_db()
    assert opened.session.state == "ready"


def test_a_view_at_which_nobody_looks_ends_and_one_with_an_open_page_goes_on(
    opened: OpenedView, layer: DataLayer, researcher: User
) -> None:
    long_ago = timezone.now() - timedelta(seconds=settings.VIEWER_IDLE_S + 1)
    ViewerSession.objects.update(last_activity_at=long_ago)
    looked_at = sessions.open_view(sessions.Wanted([layer], "another"), by=researcher).session
    ViewerSession.objects.filter(pk=looked_at.pk).update(last_activity_at=long_ago)
    sessions.renew(looked_at)

    assert [over.why for over in sessions.views_over()] == ["nobody looked at it"]
    assert sessions.expire_sessions() == 1
    states = dict(ViewerSession.objects.values_list("pk", "state"))
    assert states == {opened.session.pk: "expired", looked_at.pk: "ready"}


def test_culling_says_which_views_and_why_and_ends_none_when_asked_only_to_look(
    opened: OpenedView, capsys: pytest.CaptureFixture[str]
) -> None:
    ViewerSession.objects.update(expires_at=timezone.now())
    call_command("cull_viewers", dry_run=True)
    said = capsys.readouterr().out
    assert "brain-001 · Raw of researcher: time was over" in said
    assert "1 views are over; none was ended" in said
    assert ViewerSession.objects.get().state == "ready"

    call_command("cull_viewers")
    assert "1 views ended." in capsys.readouterr().out
    assert ViewerSession.objects.get().state == "expired"
