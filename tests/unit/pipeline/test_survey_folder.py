"""A short look into a folder tells what a form may be filled with, and where it was found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import BadInput
from pipeline.phantom_metadata import Acquisition, ome_xml, session_text
from pipeline.raw.survey import survey_folder
from tests.support import stacks

if TYPE_CHECKING:
    from pathlib import Path


def _file(index: int, code: int) -> str:
    return stacks.plane_name(0, filter_index=index, sheet_code=code)


def test_names_and_metadata_of_a_lavision_folder_tell_its_channels(tmp_path: Path) -> None:
    folder = stacks.lavision_delivery(
        tmp_path / "raw", planes=5, filters=(0, 1), sheets=(0, 1), columns=2
    )
    acquired = Acquisition((5, 12, 16), (10.0, 5.0, 5.0), ("488", "647"), 2, columns=2, overlap=0.1)
    stacks.describe(folder / stacks.plane_name(0), ome_xml(acquired, _file))

    survey = survey_folder(tmp_path, "raw", "lavision")

    assert [(c.filter_index, c.wavelength) for c in survey.channels] == [(0, "488"), (1, "647")]
    facts = {name: fact.value for name, fact in survey.channels[1].facts.items()}
    assert facts == {
        "planes": 5,
        "columns": 2,
        "rows": 1,
        "sheets": ["left", "right"],
        "z_step_um": 10.0,
        "pixel_um": 5.0,
        "overlap": 0.1,
    }
    assert survey.channels[0].facts["planes"].source == "the names of the files"
    assert survey.folder["numerical_aperture"].value == 0.0085
    assert (survey.raw_files, survey.cut_short) == (40, False)


def test_a_smartspim_folder_tells_its_tiles_and_their_overlap(tmp_path: Path) -> None:
    stacks.smartspim_delivery(tmp_path / "Ex_642_Em_2")
    acquired = Acquisition((3, 8, 10), (2.0, 1.8, 1.8), ("488", "642"), 2, columns=3, rows=5)
    (tmp_path / "metadata.txt").write_text(session_text(acquired, (8, 10)))

    survey = survey_folder(tmp_path, "Ex_642_Em_2", "smartspim")

    (channel,) = survey.channels
    assert (channel.filter_index, channel.wavelength) == (2, "642")
    facts = {name: fact.value for name, fact in channel.facts.items()}
    assert (facts["columns"], facts["rows"], facts["planes"]) == (3, 5, 3)
    assert facts["overlap"] == pytest.approx(0.1, abs=0.01)
    assert facts["z_step_um"] == 2.0


def test_a_large_folder_is_cut_short_and_says_so(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw", planes=30, shape=(2, 2))

    survey = survey_folder(tmp_path, "raw", "lavision", entries=12)

    assert (survey.raw_files, survey.cut_short) == (12, True)


def test_time_is_limited_too(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw", planes=300, shape=(2, 2))

    survey = survey_folder(tmp_path, "raw", "lavision", seconds=0.0)

    assert survey.cut_short
    assert survey.raw_files < 300


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    survey = survey_folder(tmp_path, "raw", "lavision")

    assert (survey.channels, survey.raw_files) == ((), 0)
    assert "cannot be read" in survey.problem


def test_an_empty_folder_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "Ex_488_Em_0").mkdir()

    survey = survey_folder(tmp_path, "Ex_488_Em_0", "smartspim")

    assert (survey.channels, survey.problem) == ((), "")


def test_a_path_that_climbs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        survey_folder(tmp_path, "../x", "lavision")


def test_it_travels_as_json(tmp_path: Path) -> None:
    stacks.lavision_delivery(tmp_path / "raw")

    text = json.dumps(survey_folder(tmp_path, "raw", "lavision").to_json())

    planes = json.loads(text)["channels"][0]["facts"]["planes"]
    assert planes == {"value": 4, "source": "the names of the files"}
