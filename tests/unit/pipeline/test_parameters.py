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
