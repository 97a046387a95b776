"""What was fetched is counted once, for the view that allowed it, and keeps that view alive."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.app.viewers_app.conftest import SHARD, SHARD_KEY
from viewers_app import tasks
from viewers_app.models import AccessLogCursor, LayerAccess, ViewerSession
from viewers_app.services import activity

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(view_of, researcher, layer):
    return view_of(researcher, layer)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "data.log"


def line(browser, layer, *, size: int = 100, status: int = 200, at: int = 1_790_000_000) -> str:
    return f"{at}.123 {browser.session.uuid} {layer.uuid} {status} {size}\n"


def test_what_the_site_sends_itself_is_counted(browser, layer):
    browser.data(layer, SHARD_KEY)
    browser.data(layer, SHARD_KEY, Range="bytes=0-9")
    browser.data(layer, "none/0.shard")
    activity.tally.write()

    row = LayerAccess.objects.get()
    assert (row.session, row.layer) == (browser.session, layer.uuid)
    assert (row.requests, row.bytes) == (2, len(SHARD) + 10)


def test_it_is_written_down_now_and_then_and_not_for_each_chunk(
    browser, layer, monkeypatch, django_assert_num_queries
):
    now = [0.0]
    monkeypatch.setattr(activity.tally, "clock", lambda: now[0])
    browser.data(layer, SHARD_KEY)
    with django_assert_num_queries(0):
        activity.tally.note(browser.session.uuid, layer.uuid, 5)
    assert not LayerAccess.objects.exists()

    now[0] += activity.WRITE_EVERY_S
    browser.data(layer, SHARD_KEY)
    assert LayerAccess.objects.get().requests == 3


def test_a_database_that_is_busy_gets_the_counts_later(browser, layer, monkeypatch):
    def busy(_counts):
        raise OperationalError("database is locked")

    browser.data(layer, SHARD_KEY)
    with monkeypatch.context() as patch:
        patch.setattr(activity, "_save", busy)
        activity.tally.write()
    activity.tally.write()

    assert LayerAccess.objects.get().requests == 1


def test_lines_of_the_proxy_count_once_and_noise_counts_nothing(browser, layer, log):
    noise = "no line at all\n" + line(browser, layer, status=404) + "1.0 x y 200 5\n"
    unknown = f"1790000000.000 {uuid4()} {layer.uuid} 200 5\n"
    log.write_text(line(browser, layer) + noise + unknown + line(browser, layer, status=206))

    assert activity.read_log(log) == 6
    assert activity.read_log(log) == 0
    assert LayerAccess.objects.get().bytes == 200


def test_half_a_line_waits_for_its_end(browser, layer, log):
    whole = line(browser, layer)
    log.write_text(whole + whole[:20])
    assert activity.read_log(log) == 1
    log.write_text(whole + whole)
    assert activity.read_log(log) == 1
    assert LayerAccess.objects.get().requests == 2


def test_a_log_that_was_rotated_is_read_to_its_end_first(browser, layer, log):
    log.write_text(line(browser, layer))
    activity.read_log(log)
    with log.open("a") as file:
        file.write(line(browser, layer, size=7))
    log.rename(log.with_name("data.log.1"))
    log.write_text(line(browser, layer, size=1))

    assert activity.read_log(log) == 2
    assert activity.read_log(log) == 0
    assert LayerAccess.objects.get().bytes == 108


def test_a_log_that_was_cut_begins_anew(browser, layer, log):
    log.write_text(line(browser, layer) * 3)
    activity.read_log(log)
    log.write_text(line(browser, layer))

    assert activity.read_log(log) == 1
    assert LayerAccess.objects.get().requests == 4


def test_a_long_log_is_read_in_pieces(browser, layer, log, monkeypatch):
    one = line(browser, layer)
    monkeypatch.setattr(activity, "MOST_BYTES_AT_ONCE", len(one) * 2 + 5)
    log.write_text(one * 5)

    read = [activity.read_log(log) for _ in range(4)]

    assert read == [2, 2, 1, 0]
    assert LayerAccess.objects.get().requests == 5


def test_lines_and_their_counts_are_written_together_or_not_at_all(
    browser, layer, log, monkeypatch
):
    log.write_text(line(browser, layer))
    with monkeypatch.context() as patch:
        patch.setattr(activity, "_save", lambda counts: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            activity.read_log(log)

    assert not AccessLogCursor.objects.exists()
    assert activity.read_log(log) == 1


def test_fetching_is_activity(browser, layer, log):
    ViewerSession.objects.update(last_activity_at=timezone.now() - timedelta(days=99))
    log.write_text(line(browser, layer))
    activity.read_log(log)

    browser.session.refresh_from_db()
    assert browser.session.last_activity_at.timestamp() == 1_790_000_000


def test_the_task_reads_the_log_that_the_settings_name(settings, log, browser, layer):
    assert tasks.count_accesses() == "no log of a proxy"
    settings.DATA_ACCESS_LOG = str(log)
    assert tasks.count_accesses() == "0 lines read"
    log.write_text(line(browser, layer))
    assert tasks.count_accesses() == "1 lines read"
