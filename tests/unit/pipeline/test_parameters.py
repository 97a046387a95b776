"""Values of a spec: whatever is wrong with them is a sentence for the person."""

from __future__ import annotations

import json

import pytest

from pipeline import parameters
from pipeline.errors import BadInput


@pytest.mark.parametrize("text", ["1" + "0" * 400, "-1" + "0" * 400, "1e400", "NaN"])
def test_a_number_beyond_all_others_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput, match="dark must be a number"):
        parameters.number({"dark": json.loads(text)}, "dark", 0)


def test_a_count_beyond_all_counts_is_bad_input_by_name() -> None:
    assert parameters.integer({"planes": 1_000_000}, "planes") == 1_000_000
    for most in (1_000_001, 10**12, 10**400):
        with pytest.raises(BadInput, match="planes must be at most 1,000,000"):
            parameters.integer({"planes": most}, "planes")
    with pytest.raises(BadInput, match="absent must be at most"):
        parameters.integers({"absent": [3, 10**12]}, "absent")
