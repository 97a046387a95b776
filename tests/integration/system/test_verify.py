"""Every figure of `make verify` keeps its limit."""

import os
from pathlib import Path

import pytest

from tests.verify.figures import MODULES, figures_of


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("module", MODULES)
def test_figures_keep_their_limits(module, tmp_path):
    named = os.environ.get("LIGHTSERV_REAL_DATA", "")

    found = list(figures_of(module, tmp_path / module, Path(named) if named else None))

    assert found
    assert [str(figure) for figure in found if not figure.ok] == []
