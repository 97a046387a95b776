"""What steps say of the quality of images is shown as far as it makes sense, and never breaks."""

import pytest

from processing_app.quality_figures import Findings, pictures_in, read, registration_of
from tests.support.processed import FIGURES, REGISTRATION

SHEET = {"quality": FIGURES, "registration": REGISTRATION}


def test_figures_come_with_limit_and_a_word_for_the_verdict():
    contrast, saturated = read(SHEET).figures

    assert (contrast.label, contrast.value, contrast.limit, contrast.word) == (
        "Contrast", "7.31", "3", "Good"
    )  # fmt: skip
    assert (saturated.unit, saturated.word, saturated.token) == ("%", "Doubtful", "needs-you")


def test_the_verdict_of_the_whole_is_that_of_the_step():
    assert read(SHEET).word == "Doubtful"


def test_a_curve_becomes_points_within_the_drawing():
    (curve,) = read(SHEET).curves
    points = [tuple(map(float, pair.split(","))) for pair in curve.lines[0].split()]

    assert len(points) == 80
    assert all(curve.left <= x <= curve.right and curve.top <= y <= curve.base for x, y in points)


def test_a_curve_is_broken_where_there_is_no_value():
    row = {"label": "c", "x": [0, 1, 2, 3, 4], "y": [1, 2, None, 2, 1]}

    (curve,) = read({"quality": {"curves": [row]}}).curves

    assert len(curve.lines) == 2


@pytest.mark.parametrize(
    "y",
    [[5, 5, 5], [0, 0, 0], [-1e-9, 0, 1e-9], [1e14, 2e14, 3e14], [-3, -2, -1], [5e-324, 0, 5e-324],
     [1e-310, -1e-310, 0], [1e-200, 1e14, 1e-31], [1e14, 1e14 + 1 / 64, 1e14],
     [1, 1.0000000000000002, 1], [5e-324, 1e-30, -1e-30]],
)  # fmt: skip
def test_any_range_of_values_is_drawn(y):
    (curve,) = read({"quality": {"curves": [{"label": "c", "x": [1, 2, 3], "y": y}]}}).curves

    assert "nan" not in curve.lines[0]
    assert curve.up


@pytest.mark.parametrize(
    "strange",
    [None, [], "text", 7, {"quality": 3}, {"quality": []}, {"registration": "good"},
     {"quality": {"figures": "none", "curves": 3, "pictures": {"a": 1}}},
     {"quality": {"figures": [None, 3, {}, {"label": 7, "value": 1}, {"label": "a"}]}},
     {"quality": {"figures": [{"label": "a", "value": float("nan")}]}},
     {"quality": {"figures": [{"label": "a", "value": True}]}},
     {"quality": {"curves": [{"label": "c", "x": [1], "y": [1]}, {"label": "c", "x": 1, "y": {}}]}},
     {"quality": {"curves": [{"label": "c", "x": [1, 2], "y": [10**400, "b"]}]}},
     {"quality": {"curves": [{"label": "c", "x": [1e300, -1e300], "y": [1, 2]}]}},
     {"quality": {"verdict": "excellent", "pictures": [{"file": "../../etc/passwd"}]}},
     {"registration": {"score": "0.9", "overlay": "../overlay.png"}}],
)  # fmt: skip
def test_what_is_strange_is_left_out(strange):
    assert read(strange) == Findings()


@pytest.mark.parametrize(
    ("limit", "words"),
    [(3.0, "3"), ([1, 2], "1 to 2"), ([None, 2], "at most 2"), ([0.5, None], "at least 0.5"),
     ("below 5", "below 5"), ({}, ""), ([1, 2, 3], ""), (None, "")],
)  # fmt: skip
def test_a_limit_is_said_in_words(limit, words):
    row = {"label": "a", "value": 1, "limit": limit}

    assert read({"quality": {"figures": [row]}}).figures[0].limit == words


@pytest.mark.parametrize(
    ("facts", "word"),
    [({"score": 0.9, "least_score": 0.5}, "Good"), ({"score": 0.4, "least_score": 0.5}, "Bad"),
     ({"score": 0.4}, "")],
)  # fmt: skip
def test_a_registration_is_judged_by_its_least_score(facts, word):
    found = registration_of(facts)

    assert found is not None
    assert found.word == word


@pytest.mark.parametrize(
    "file", ["../a.png", "/etc/a.png", "a/b.png", ".hidden.png", "a.svg", "a.html", "a.png\n", "",
             "a\\b.png", "x" * 200 + ".png", 7, None],
)  # fmt: skip
def test_only_plain_names_of_pictures_are_pictures(file):
    assert pictures_in({"pictures": [{"file": file}]}) == frozenset()


def test_the_pictures_of_a_sheet_are_known_by_name():
    assert pictures_in(FIGURES) == {"montage-488.png"}
    assert pictures_in(REGISTRATION) == {"overlay.png"}


def test_too_many_of_anything_are_cut():
    rows = [{"label": f"f{n}", "value": n} for n in range(5000)]
    curve = {"label": "c", "x": list(range(100_000)), "y": [1, 2] * 50_000}

    found = read({"quality": {"figures": rows, "curves": [curve] * 100}})

    assert len(found.figures) == 200
    assert len(found.curves) == 24
    assert len(found.curves[0].lines[0].split()) <= 600
