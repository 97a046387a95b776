"""Quality figures as a page shows them: rows, curves and pictures."""

from pipeline.quality.limits import LIMITS, figure
from pipeline.quality.short import in_short
from processing_app import quality_figures

SERIES = {
    "channel": "488", "side": "left", "picture": "montage_488_left.png",
    "figures": [figure("stripes", 0.05, LIMITS), figure("sharpness", 0.9, LIMITS)],
    "curves": {
        "z_um": [5.0, 15.0, 25.0], "signal_to_noise": [8.0, None, 9.0],
        "sharpness": [1.0, 2.0, 1.5], "stripes": [0.01, 0.02, 0.05],
    },
}  # fmt: skip
DOCUMENT = {"series": [SERIES], "registration": figure("registration", 0.9, LIMITS)}


def test_a_limit_says_from_which_side_it_is_reached():
    rows = {row["name"]: row for row in in_short(DOCUMENT)["figures"]}

    assert rows["stripes"]["limit"] == [None, LIMITS["stripes"].warn]
    assert rows["sharpness"]["limit"] == [LIMITS["sharpness"].warn, None]
    assert rows["stripes"]["verdict"] == "warn"
    assert (rows["stripes"]["channel"], rows["registration"]["channel"]) == ("488 left", "")


def test_a_page_shows_every_row_curve_and_picture():
    shown = quality_figures.read({"quality": {"verdict": "warn", **in_short(DOCUMENT)}})

    assert shown.verdict == "warn"
    assert [(one.label, one.limit) for one in shown.figures] == [
        (LIMITS["stripes"].text, "at most 0.03"),
        (LIMITS["sharpness"].text, "at least 0.5"),
        (LIMITS["registration"].text, "at least 0.75"),
    ]
    assert [one.label for one in shown.curves] == [
        "Signal to noise by depth", "Sharpness by depth", "Stripes by depth",
    ]  # fmt: skip
    assert [(one.file, one.channel) for one in shown.pictures] == [
        ("montage_488_left.png", "488 left")
    ]
