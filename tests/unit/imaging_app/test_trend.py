"""The plot of a trend: scales that fit, lines in the order of time, nothing infinite."""

from datetime import date

import pytest

from imaging_app.trend import BOTTOM, HEIGHT, TOP, Series, plot_of, ticks_between

MARCH, APRIL, MAY = date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1)


def of(*points, name="1.3x"):
    return Series(name, points)


def test_nothing_measured_is_no_plot():
    assert plot_of([]) is None
    assert plot_of([of()]) is None


def test_later_measurements_stand_further_right():
    plot = plot_of([of((MAY, 6.0), (MARCH, 5.0), (APRIL, 5.5))])

    across = [float(mark.x) for mark in plot.lines[0].marks]
    assert across == sorted(across)
    assert plot.lines[0].marks[0].text == "2026-03-01: 5"


def test_higher_figures_stand_higher_and_inside_the_frame():
    plot = plot_of([of((MARCH, 5.0), (APRIL, 7.3))])

    low, high = (float(mark.y) for mark in plot.lines[0].marks)
    assert TOP <= high < low <= HEIGHT - BOTTOM


def test_one_measurement_stands_in_the_middle():
    plot = plot_of([of((MARCH, 5.0))])

    mark = plot.lines[0].marks[0]
    assert float(mark.x) == (plot.left + 8 + plot.right - 8) / 2
    assert [tick.text for tick in plot.x_ticks] == ["2026-03-01"]


def test_the_axis_of_days_names_both_ends():
    plot = plot_of([of((MARCH, 5.0), (MAY, 7.3))])

    texts = [tick.text for tick in plot.x_ticks]
    assert (texts[0], texts[-1]) == ("2026-03-01", "2026-05-01")


def test_series_are_told_apart_without_color():
    plot = plot_of([of((MARCH, 5.0), name="1.1x"), of((MARCH, 6.0), name="1.3x")])

    assert [(line.name, line.shape) for line in plot.lines] == [("1.1x", 0), ("1.3x", 1)]


def test_figures_that_are_none_are_left_out():
    plot = plot_of([of((MARCH, float("nan")), (APRIL, 5.0), (MAY, float("inf")))])

    assert [mark.text for mark in plot.lines[0].marks] == ["2026-04-01: 5"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 50, 100]),
        (80.1, 93.5, [80, 85, 90, 95]),
        (5.1, 7.3, [5, 6, 7, 8]),
        (0.41, 0.44, [0.41, 0.42, 0.43, 0.44]),
        (-1.0, 1.0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_the_axis_of_figures_has_round_numbers_around_them(low, high, expected):
    assert ticks_between(low, high) == expected


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e9, 1e-9])
def test_equal_figures_get_room_above_and_below(value):
    plot = plot_of([of((MARCH, value), (APRIL, value))])

    assert TOP < float(plot.lines[0].marks[0].y) < HEIGHT - BOTTOM
