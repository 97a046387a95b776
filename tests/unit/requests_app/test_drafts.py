"""Drafts: whatever is stored or sent, what goes out is well-formed, and what was cut is said."""

import pytest

from requests_app import drafts

OLD = {
    "about-name": "old brains",
    "about-species": "mouse",
    "about-testing": "on",
    "samples-TOTAL_FORMS": "2",
    "samples-0-name": "a",
    "samples-0-protocol": "uDISCO",
    "samples-1-name": "b",
    "image-1.3x-488-registration": "on",
    "image-1.3x-647-cell_detection": "on",
    "notes-1.3x": "gently",
    "name": "old brains",
}


def test_a_draft_of_the_first_version_is_opened() -> None:
    draft = drafts.opened(OLD)

    assert draft["about"]["name"] == "old brains"
    assert draft["about"]["testing"] is True
    assert [row["name"] for row in draft["samples"]] == ["a", "b"]
    for row in draft["samples"]:
        assert row["imaging"][0]["channels"] == {"488": ["registration"], "647": ["cell_detection"]}
        assert row["imaging"][0]["notes_for_imager"] == "gently"


def test_lists_know_name_and_size_of_drafts_of_both_versions() -> None:
    new = {"about": {"name": "new"}, "samples": [{}, {}, {}]}

    assert (drafts.name_in(OLD), drafts.samples_in(OLD)) == ("old brains", 2)
    assert (drafts.name_in(new), drafts.samples_in(new)) == ("new", 3)
    assert (drafts.name_in(None), drafts.samples_in(None)) == ("", 0)


@pytest.mark.parametrize(
    "strange",
    [
        None, 7, "text", [], [[[[]]]], {"about": 3, "samples": "x"}, {"samples": [1, None, []]},
        {"about": {"name": {"a": 1}}, "samples": [{"name": ["x"], "imaging": {"a": 1}}]},
        {"samples": [{"imaging": [{"channels": [1]}, 5, {"channels": {"488": "x"}}]}]},
        {"samples": [{"imaging": [{"channels": {"488": [{"a": 1}]}}]}]},
        {"about": {"testing": ["on"], "name": float("nan")}, "upload": {"samples": 3, "notes": 4}},
        {"samples-TOTAL_FORMS": "999999999", "about-name": None},
        {"image-1.3x-488-registration": "on", "image--": "x", "samples-TOTAL_FORMS": []},
    ],
)  # fmt: skip
def test_whatever_is_stored_opens(strange: object) -> None:
    draft = drafts.opened(strange)

    assert set(draft["about"]) == {*drafts.ABOUT_FIELDS, *drafts.ABOUT_TICKS}
    assert all(isinstance(row["name"], str) for row in draft["samples"])
    assert drafts.opened(draft) == draft


def test_what_is_cut_is_said() -> None:
    imaging = [{"objective": f"{n}x"} for n in range(20)]
    many = [{"name": f"b{n}"} for n in range(60)]
    many[0] |= {"notes_for_clearer": "x" * 10_000, "subject": ["a"], "imaging": imaging}  # type: ignore[dict-item]

    draft, notes = drafts.clean({"samples": many})

    assert len(draft["samples"]) == 50
    assert len(draft["samples"][0]["notes_for_clearer"]) == 2000
    assert len(draft["samples"][0]["imaging"]) == 12
    words = " ".join(notes)
    for said in ("10 more were left out", "had 10000 characters", "is no text", "12 objectives"):
        assert said in words


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_what_no_database_takes_is_taken_out(text: str) -> None:
    assert drafts.opened({"about": {"name": text}})["about"]["name"] == "ab"


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("my brains", "my_brains-001"),
        ("a/b..c", "abc-001"),
        ("🧠", "sample-001"),
        ("", "sample-001"),
        ("x" * 80, "x" * 60 + "-001"),
    ],
)
def test_samples_are_named_after_their_request(name: str, sample: str) -> None:
    assert drafts.default_name(name, 1) == sample


def about(**typed: str) -> dict[str, object]:
    return drafts.clean_about(typed, [])


def test_usual_names_follow_the_name_of_the_request() -> None:
    draft = drafts.with_about(drafts.opened(None), about(name="one", number_of_samples="3"))
    draft["samples"][1]["name"] = "mine"

    draft = drafts.with_about(draft, about(name="two", number_of_samples="3"))

    assert [row["name"] for row in draft["samples"]] == ["two-001", "mine", "two-003"]


def test_fewer_samples_take_away_only_rows_that_nobody_filled_in() -> None:
    draft = drafts.with_about(drafts.opened(None), about(name="one", number_of_samples="5"))
    draft["samples"][2]["antibody1"] = "anti-cFos"

    draft = drafts.with_about(draft, about(name="one", number_of_samples="1"))

    assert len(draft["samples"]) == 3
