"""The check of CLUSTER_PRELUDE when the site starts."""

import pytest

from lightserv_site.checks import readable_prelude


@pytest.mark.parametrize("lines", ["", "module load elastix\nexport A=b"])
def test_lines_that_a_shell_can_read_are_fine(settings, lines):
    settings.CLUSTER_PRELUDE = lines

    assert readable_prelude(None) == []


def test_lines_that_no_shell_can_read_are_a_warning_with_its_words(settings):
    settings.CLUSTER_PRELUDE = "if then fi"

    (found,) = readable_prelude(None)

    assert "yntax error" in found.msg
    assert "sh -n" in found.hint
