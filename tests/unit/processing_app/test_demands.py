"""What jobs ask for, and how that grows."""

import pytest

from processing_app import demands
from processing_app.cluster.ports import Resources
from processing_app.demands import Frame, Needs


def test_what_is_said_stands_above_what_is_usual():
    said, usual = Needs(memory_mb=9_000), Needs(cpus=2, memory_mb=4_000, minutes=60)

    assert said.over(usual) == Needs(cpus=2, memory_mb=9_000, minutes=60)


def test_nobody_gets_more_than_the_most():
    frame = Frame(most=Needs(cpus=8, memory_mb=16_000, minutes=120))

    asked = demands.resources_for(Needs(cpus=16, memory_mb=64_000, minutes=500), frame)

    assert (asked.cpus, asked.memory_mb, asked.minutes) == (8, 16_000, 120)


def test_without_a_most_what_was_asked_is_given():
    asked = demands.resources_for(Needs(cpus=16, memory_mb=64_000, minutes=500), Frame())

    assert (asked.cpus, asked.memory_mb, asked.minutes) == (16, 64_000, 500)


def test_a_job_has_one_core_at_least():
    assert demands.resources_for(Needs(), Frame()).cpus == 1


def test_the_frame_says_where_the_job_goes():
    frame = Frame(partition="gpu", account="lab", qos="high", options=("--gres=gpu:1",))

    asked = demands.resources_for(Needs(cpus=1), frame)

    assert (asked.partition, asked.account, asked.qos) == ("gpu", "lab", "high")
    assert asked.options == ("--gres=gpu:1",)


@pytest.mark.parametrize(
    ("asked", "first", "most", "next_amount"),
    [
        (4_000, 4_000, 64_000, 8_000),
        (8_000, 4_000, 12_000, 12_000),  # as much as there is
        (12_000, 4_000, 12_000, 0),
        (8_000, 4_000, 0, 16_000),  # no most is known
        (16_000, 4_000, 0, 0),
        (0, 0, 64_000, 0),  # nothing was asked, so nothing grows
    ],
)
def test_an_amount_doubles_up_to_the_most(asked, first, most, next_amount):
    assert demands.grown(asked, first=first, most=most) == next_amount


def test_stored_resources_are_read_again():
    asked = Resources(4, 8_000, 60, "gpu", "lab", "high", ("--gres=gpu:1",))

    assert demands.read(demands.stored(asked)) == asked


@pytest.mark.parametrize("values", [{}, {"cpus": "four", "memory_mb": -1, "options": "x"}])
def test_what_makes_no_sense_says_nothing(values):
    assert demands.read(values) == Resources()


def test_more_memory_leaves_the_time_as_it_is():
    asked = demands.with_more(Resources(1, 100, 10), demands.MEMORY, 200)

    assert asked == Resources(1, 200, 10)


def test_more_time_leaves_the_memory_as_it_is():
    assert demands.with_more(Resources(1, 100, 10), demands.TIME, 20) == Resources(1, 100, 20)
