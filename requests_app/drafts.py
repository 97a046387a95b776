"""A draft: the new-request form as typed. Pure: whatever comes in, a well-formed draft goes out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from requests_app.plans import MOST_SAMPLES

VERSION = 2
ABOUT_FIELDS = (
    "name", "description", "lab", "correspondence_email", "species", "number_of_samples",
    "retention", "auditor",
)  # fmt: skip
ABOUT_TICKS = ("testing", "self_clearing", "self_imaging")
SAMPLE_FIELDS = (
    "name", "subject", "protocol", "antibody1", "antibody2", "perfusion_date",
    "expected_handoff_date", "notes_for_clearer", "imaging_text",
)  # fmt: skip
IMAGING_FIELDS = (
    "objective", "notes_for_imager", "notes_for_processor", "atlas", "final_orientation",
)  # fmt: skip
LONGEST_TEXT, LONGEST_WORD, MOST_OBJECTIVES, MOST_CHANNELS = 2000, 64, 12, 16
TICKED = {"on", "true", "yes", "1", True}
DEFAULT_ORIENTATION = "sagittal"

Draft = dict[str, Any]
Notes = list[str]


def clean(stored: object) -> tuple[Draft, Notes]:
    """Return a well-formed draft of the present version, and in words what had to be cut.

    Drafts of the first version, with one flat row of names, are converted.
    """
    raw = _mapping(stored)
    if "about" not in raw and "samples" not in raw:
        raw = _of_first_version(raw)
    notes: Notes = []
    draft: Draft = {
        "version": VERSION,
        "about": clean_about(raw.get("about"), notes),
        "samples": clean_samples(raw.get("samples"), notes),
    }
    upload = _mapping(raw.get("upload"))
    if upload:
        draft["upload"] = {
            "samples": clean_samples(upload.get("samples"), notes),
            "notes": [text_of(note)[:300] for note in _sequence(upload.get("notes"))[:200]],
        }
    return draft, notes


def opened(stored: object) -> Draft:
    """Return a stored draft as the present form knows it."""
    return clean(stored)[0]


def name_in(stored: object) -> str:
    """Return the name of the request that the draft is for, as lists show it."""
    raw = _mapping(stored)
    about = _mapping(raw.get("about"))
    return text_of(about.get("name", raw.get("about-name", raw.get("name", ""))))[:64]


def samples_in(stored: object) -> int:
    """Return the number of samples in a draft of either version."""
    raw = _mapping(stored)
    if "about" in raw or "samples" in raw:
        return min(len(_sequence(raw.get("samples"))), MOST_SAMPLES)
    return _count(raw.get("samples-TOTAL_FORMS")) if raw else 0


def clean_about(raw: object, notes: Notes) -> dict[str, Any]:
    """Return the fields of the first step, as text and ticks."""
    given = _mapping(raw)
    about: dict[str, Any] = {
        field: _kept(given.get(field, ""), field, notes) for field in ABOUT_FIELDS
    }
    return about | {tick: _is_ticked(given.get(tick)) for tick in ABOUT_TICKS}


def clean_samples(raw: object, notes: Notes) -> list[dict[str, Any]]:
    """Return the rows of the grid; more than fit are cut, which is noted."""
    rows = _sequence(raw)
    if len(rows) > MOST_SAMPLES:
        notes.append(
            f"A request holds at most {MOST_SAMPLES} samples; "
            f"{len(rows) - MOST_SAMPLES} more were left out."
        )
    return [_clean_sample(row, i, notes) for i, row in enumerate(rows[:MOST_SAMPLES], start=1)]


def _clean_sample(raw: object, number: int, notes: Notes) -> dict[str, Any]:
    given = _mapping(raw)
    mine: Notes = []
    sample: dict[str, Any] = {f: _kept(given.get(f, ""), f, mine) for f in SAMPLE_FIELDS}
    sample["imaging"] = clean_imaging(given.get("imaging"), mine)
    notes.extend(f"Sample {number}: {note}" for note in mine)
    return sample


def clean_imaging(raw: object, notes: Notes) -> list[dict[str, Any]]:
    """Return the objectives of one sample as a draft keeps them."""
    wanted = _sequence(raw)
    if len(wanted) > MOST_OBJECTIVES:
        notes.append(f"more than {MOST_OBJECTIVES} objectives were left out")
    return [_clean_objective(row, notes) for row in wanted[:MOST_OBJECTIVES]]


def _clean_objective(raw: object, notes: Notes) -> dict[str, Any]:
    given = _mapping(raw)
    row: dict[str, Any] = {f: _kept(given.get(f, ""), f, notes) for f in IMAGING_FIELDS}
    row["final_orientation"] = row["final_orientation"] or DEFAULT_ORIENTATION
    channels = list(_mapping(given.get("channels")).items())
    if len(channels) > MOST_CHANNELS:
        notes.append(f"more than {MOST_CHANNELS} channels of one objective were left out")
    row["channels"] = {
        text_of(name)[:LONGEST_WORD]: purposes
        for name, ticked in channels[:MOST_CHANNELS]
        if (purposes := _words(ticked))
    }
    return row


def _words(raw: object) -> list[str]:
    words = [text_of(word)[:LONGEST_WORD] for word in _sequence(raw)[:MOST_CHANNELS]]
    return list(dict.fromkeys(word for word in words if word))


def text_of(value: object) -> str:
    """Return text that a database and a page can take; what is no text is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).replace("\x00", "").encode("utf-8", "ignore").decode()


def _kept(value: object, field: str, notes: Notes) -> str:
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        notes.append(f"what was sent for {words_for(field)} is no text and was left out")
    text = text_of(value)
    if len(text) > LONGEST_TEXT:
        notes.append(f"{words_for(field)} had {len(text)} characters and was cut to {LONGEST_TEXT}")
    return text[:LONGEST_TEXT]


def words_for(field: str) -> str:
    return field.replace("antibody1", "primary antibody").replace(
        "antibody2", "secondary antibody"
    ).replace("_", " ")  # fmt: skip


def _is_ticked(value: object) -> bool:
    return isinstance(value, str | bool | int) and value in TICKED


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


# --- rows ---


def default_name(request_name: str, number: int) -> str:
    """Return `my_brains-003` for the third sample of “my brains”."""
    stem = re.sub(r"[^A-Za-z0-9_-]", "", re.sub(r"\s+", "_", request_name.strip()))
    stem = stem.lstrip("_-")[:60] or "sample"
    return f"{stem}-{number:03d}"


def new_row(request_name: str, number: int, *, protocol: str = "") -> dict[str, Any]:
    """Return an empty row with its usual name."""
    blank: dict[str, Any] = dict.fromkeys(SAMPLE_FIELDS, "")
    return blank | {
        "name": default_name(request_name, number),
        "protocol": protocol,
        "imaging": [],
    }


def number_of_samples(about: Mapping[str, Any]) -> int | None:
    """Return the number that was typed, or None if it is none from 1 to 50."""
    text = str(about.get("number_of_samples", "")).strip()
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        return None
    return int(text) if 1 <= int(text) <= MOST_SAMPLES else None


def with_about(draft: Draft, about: Mapping[str, Any], *, protocol: str = "") -> Draft:
    """Return the draft with another first step. Rows follow it as far as nobody has filled them in:
    their usual names follow the request's name, their number what was typed."""
    before = draft["about"].get("name", "")
    samples = [dict(row) for row in draft["samples"]]
    for number, row in enumerate(samples, start=1):
        if row["name"] == default_name(before, number):
            row["name"] = default_name(about["name"], number)
    wanted = number_of_samples(about)
    if wanted is not None:
        while len(samples) > wanted and is_untouched(samples[-1], about["name"], len(samples)):
            samples.pop()
        for number in range(len(samples) + 1, wanted + 1):
            samples.append(new_row(about["name"], number, protocol=protocol))
    return draft | {"about": dict(about), "samples": samples}


def is_untouched(row: Mapping[str, Any], request_name: str, number: int) -> bool:
    """Return True if nobody has typed anything of this sample."""
    typed = [row.get(f) for f in SAMPLE_FIELDS if f not in {"name", "protocol"}]
    has_usual_name = row.get("name") in {"", default_name(request_name, number)}
    return has_usual_name and not any(typed) and not row.get("imaging")


# --- drafts of the first version: one flat row of names ---


def _of_first_version(raw: Mapping[Any, Any]) -> dict[str, Any]:
    about = {k.removeprefix("about-"): v for k, v in _named(raw, "about-")}
    about.setdefault("name", raw.get("name", ""))
    if not any(str(k).startswith("samples-") for k in raw):
        return {"about": about, "samples": []}
    count = _count(raw.get("samples-TOTAL_FORMS"))
    imaging = _old_imaging(raw)
    samples = [
        {k.removeprefix(f"samples-{i}-"): v for k, v in _named(raw, f"samples-{i}-")}
        | {"imaging": imaging}
        for i in range(count)
    ]
    return {"about": about | {"number_of_samples": str(count)}, "samples": samples}


def _named(raw: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in raw.items() if str(key).startswith(prefix))


def _count(value: object) -> int:
    text = text_of(value)
    count = int(text) if text.isdecimal() and len(text) < 4 else 1
    return max(1, min(count, MOST_SAMPLES))


def _old_imaging(raw: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Return the one matrix that held for every sample: `image-1.3x-488-registration`."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in _named(raw, "image-"):
        parts = key.split("-")
        if len(parts) == 4 and value:
            row = found.setdefault(parts[1], {"objective": parts[1], "channels": {}})
            row["channels"].setdefault(parts[2], []).append(parts[3])
    for objective, row in found.items():
        row["notes_for_imager"] = raw.get(f"notes-{objective}", "")
    return list(found.values())
