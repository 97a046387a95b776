"""What a person may choose for a run of a pipeline."""

import pytest

from processing_app import choices
from processing_app.pipelines import RAW, raw_steps
from tests.unit.processing_app.test_pipelines import DELIVERY, FOLDER


def compressions(chosen):
    steps = raw_steps(FOLDER, [DELIVERY], chosen)
    return {step.parameters["compression"] for step in steps if step.name == "precompute"}


@pytest.mark.parametrize(
    ("chosen", "compression"),
    [(None, "gzip"), ({}, "gzip"), ({"compression": "none"}, "none")],
)
def test_volumes_are_compressed_as_chosen(chosen, compression):
    assert compressions(chosen) == {compression}


@pytest.mark.parametrize("given", [None, "none", [], {"compression": "zip"}, {"other": "none"}])
def test_what_is_no_choice_is_as_usual(given):
    assert choices.completed(RAW, given) == {"compression": "gzip"}


def test_a_pipeline_without_choices_has_none():
    assert choices.completed("check", {"compression": "none"}) == {}


def test_every_default_is_one_of_its_values():
    every = [choice for some in choices.CHOICES.values() for choice in some]

    assert [choice.key for choice in every if choice.default not in dict(choice.values)] == []


def test_only_what_is_unusual_is_put_into_words():
    assert choices.in_words(RAW, {"compression": "none"}) == ["Compression of the volumes: none"]
    assert choices.in_words(RAW, {"compression": "gzip"}) == []
