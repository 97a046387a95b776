"""A person may accept some problems: exactly those, and for as long as nothing more goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.raw.check import DeliveryReport, inspect_folder
from pipeline.raw.codes import WAIVABLE
from tests.support import stacks

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEN = stacks.expected_delivery(planes=10)


def _inspect(folder: Path, waived: Iterable[str] = ()) -> DeliveryReport:
    return inspect_folder(folder.parent, folder.name, TEN, waived=waived)


def _keys(report: DeliveryReport) -> list[str]:
    return [problem.key for problem in report.problems]


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    return stacks.lavision_delivery(tmp_path / "raw", planes=10)


def test_an_accepted_gap_is_no_obstacle_and_stays_in_the_report(delivery: Path) -> None:
    stacks.drop_planes(delivery, [5])

    report = _inspect(delivery, _keys(_inspect(delivery)))

    assert report.ok
    (problem,) = report.to_json()["problems"]
    assert (problem["code"], problem["waived"]) == ("missing", True)


def test_what_may_be_absent_is_listed_under_the_key_of_its_problem(delivery: Path) -> None:
    stacks.drop_planes(delivery, [5])

    report = _inspect(delivery)

    (absent,) = report.absent
    assert absent == {
        "key": report.problems[0].key,
        "channel": "488",
        "sheet": "left",
        "tile_row": 0,
        "tile_column": 0,
        "planes": [5],
    }


def test_a_key_is_the_same_at_every_look(delivery: Path) -> None:
    stacks.drop_planes(delivery, [5])

    assert _keys(_inspect(delivery)) == _keys(_inspect(delivery))


def test_acceptance_lapses_when_more_goes_wrong(delivery: Path) -> None:
    stacks.drop_planes(delivery, [5])
    keys = _keys(_inspect(delivery))
    stacks.drop_planes(delivery, [6])

    report = _inspect(delivery, keys)

    assert not report.ok
    assert report.waived == frozenset()


def test_acceptance_lapses_also_where_the_words_are_the_same(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(tmp_path / "raw", planes=40, shape=(2, 2))
    expected = stacks.expected_delivery(planes=40)
    stacks.drop_planes(folder, range(1, 30, 2))
    before = inspect_folder(tmp_path, "raw", expected)
    (folder / stacks.plane_name(31)).rename(folder / stacks.plane_name(29))

    after = inspect_folder(tmp_path, "raw", expected, waived=_keys(before))

    assert after.problems[0].what == before.problems[0].what
    assert not after.ok


def test_a_plane_cut_short_is_absent_once_accepted(delivery: Path) -> None:
    stacks.truncate(delivery / stacks.plane_name(4))

    report = _inspect(delivery, _keys(_inspect(delivery)))

    assert report.ok
    assert report.absent[0]["planes"] == [4]


def test_half_of_a_group_cannot_be_accepted_away(delivery: Path) -> None:
    stacks.drop_planes(delivery, range(2, 8))

    report = _inspect(delivery, _keys(_inspect(delivery)))

    assert not report.problems[0].waivable
    assert not report.ok


def test_what_cannot_be_accepted_stays_a_problem_whatever_the_key(delivery: Path) -> None:
    stacks.replace_by_text(delivery / stacks.plane_name(4))

    report = _inspect(delivery, _keys(_inspect(delivery)))

    assert not report.ok
    assert report.to_json()["problems"][0]["waived"] is False


def test_one_accepted_problem_does_not_cover_another(delivery: Path) -> None:
    stacks.drop_planes(delivery, [5])
    keys = _keys(_inspect(delivery))
    stacks.leave_half_copied(delivery)

    report = _inspect(delivery, keys)

    assert not report.ok
    assert report.waived == frozenset(keys)


@pytest.mark.parametrize(
    "code", ["link_out", "unreadable", "wrong_channel", "shape", "depth", "changed", "empty_group"]
)
def test_some_kinds_can_never_be_accepted(code: str) -> None:
    assert WAIVABLE[code] is False


def test_planes_that_nobody_may_accept_as_missing_are_not_listed_one_by_one(
    delivery: Path,
) -> None:
    stacks.drop_planes(delivery, range(1, 10))

    assert _inspect(delivery).absent == ()
