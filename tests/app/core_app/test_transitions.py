"""advance(): the one guarded way to change a state, also when two callers race."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from pytest_django import Settings

from core_app.errors import InvalidTransition, StaleState
from core_app.models import Event, OutboxRow, User
from core_app.transitions import advance, advance_many
from requests_app.models import ClearingBatch
from requests_app.states import ClearingState
from tests.support.people import a_person
from tests.support.scenarios import a_waiting_batch

IN_PROGRESS, COMPLETE = ClearingState.IN_PROGRESS, ClearingState.COMPLETE


@pytest.fixture
def batch(researcher: User) -> ClearingBatch:
    return a_waiting_batch(researcher)


def events_of(batch: ClearingBatch) -> list[tuple[str, str]]:
    rows = Event.objects.filter(kind=batch.KIND, object_id=batch.pk)
    return list(rows.values_list("came_from", "to"))


def test_moving_writes_state_time_and_event_with_its_actor(
    batch: ClearingBatch, clearer: User
) -> None:
    before = batch.state_since

    with transaction.atomic():
        advance(batch, IN_PROGRESS, by=clearer, note="claimed")

    batch.refresh_from_db()
    event = Event.objects.filter(kind=batch.KIND).last()
    assert (batch.state, event.by, event.note) == ("in progress", clearer, "claimed")
    assert batch.state_since > before
    assert event.root_id == batch.request_id


def test_a_step_that_the_table_does_not_have_is_refused(batch: ClearingBatch) -> None:
    with pytest.raises(InvalidTransition), transaction.atomic():
        advance(batch, COMPLETE, by=None)

    batch.refresh_from_db()
    assert batch.state == "waiting"


def test_whoever_read_the_old_state_is_told_and_changes_nothing(
    batch: ClearingBatch, clearer: User
) -> None:
    stale = ClearingBatch.objects.get(pk=batch.pk)
    with transaction.atomic():
        advance(batch, IN_PROGRESS, by=clearer)

    with pytest.raises(StaleState), transaction.atomic():
        advance(stale, IN_PROGRESS, by=None)

    assert events_of(batch) == [("", "waiting"), ("waiting", "in progress")]


@pytest.mark.django_db(transaction=True)
def test_moving_needs_the_callers_transaction(researcher: User) -> None:
    batch = a_waiting_batch(researcher)

    with pytest.raises(RuntimeError):
        advance(batch, IN_PROGRESS, by=None)


def test_many_move_together_or_not_at_all(researcher: User) -> None:
    first = a_waiting_batch(researcher)
    gone = ClearingBatch.objects.get(pk=first.pk)
    with transaction.atomic():
        advance(gone, IN_PROGRESS, by=None)
    with transaction.atomic():
        advance(gone, COMPLETE, by=None)

    other = ClearingBatch.objects.create(request=first.request, number=2, protocol=first.protocol)
    with pytest.raises(StaleState), transaction.atomic():
        advance_many([other, first], IN_PROGRESS, by=None)

    other.refresh_from_db()
    assert other.state == "waiting"


def test_many_move_in_one_update_per_state(
    researcher: User, django_assert_num_queries: Callable[..., object]
) -> None:
    first = a_waiting_batch(researcher)
    batches = [first] + [
        ClearingBatch.objects.create(request=first.request, number=n, protocol=first.protocol)
        for n in range(2, 22)
    ]

    with (
        transaction.atomic(),
        django_assert_num_queries(4 + connection.features.has_select_for_update),
    ):  # savepoint, UPDATE, INSERT of events, release
        advance_many(batches, IN_PROGRESS, by=None)

    assert ClearingBatch.objects.filter(state="in progress").count() == 21


def test_the_mirror_is_told_in_the_same_transaction(
    batch: ClearingBatch, settings: Settings
) -> None:
    settings.DATAJOINT_ENABLED = True

    with transaction.atomic():
        advance(batch, IN_PROGRESS, by=None)

    assert OutboxRow.objects.filter(kind="clearing batch", object_id=batch.pk).count() == 1


def test_without_a_mirror_the_outbox_stays_empty(batch: ClearingBatch) -> None:
    with transaction.atomic():
        advance(batch, IN_PROGRESS, by=None)

    assert not OutboxRow.objects.exists()


def test_history_cannot_be_rewritten(batch: ClearingBatch) -> None:
    event = Event.objects.get(kind=batch.KIND, object_id=batch.pk)

    with pytest.raises(TypeError):
        Event.objects.filter(pk=event.pk).update(note="never happened")
    with pytest.raises(TypeError):
        event.save()


@pytest.mark.django_db(transaction=True)
def test_of_eight_people_who_press_at_once_one_wins() -> None:
    owner = a_person("owner")
    batch = a_waiting_batch(owner)
    barrier, outcomes = threading.Barrier(8), []

    def press() -> None:
        mine = ClearingBatch.objects.get(pk=batch.pk)
        barrier.wait(10)
        try:
            with transaction.atomic():
                advance(mine, IN_PROGRESS, by=owner)
            outcomes.append("won")
        except StaleState:
            outcomes.append("told")
        finally:
            connection.close()

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(outcomes) == ["told"] * 7 + ["won"]
    assert events_of(batch) == [("", "waiting"), ("waiting", "in progress")]


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_move_leaves_neither_event_nor_outbox(settings: Settings) -> None:
    settings.DATAJOINT_ENABLED = True
    batch = a_waiting_batch(a_person("owner"))
    OutboxRow.objects.all().delete()

    with pytest.raises(ZeroDivisionError), transaction.atomic():
        advance(batch, IN_PROGRESS, by=None)
        raise ZeroDivisionError

    assert events_of(batch) == [("", "waiting")]
    assert not OutboxRow.objects.exists()
