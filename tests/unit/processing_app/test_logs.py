"""What a program wrote for a terminal, as text that a page can show."""

import pytest

from processing_app.logs import readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("plane 3\n", "plane 3\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[2K\x1b[1Gagain", "again"),
        ("\x1b]0;a title\x07text", "text"),
        ("\x1b]8;;http://example.org\x1b\\a link\x1b]8;;\x1b\\", "a link"),
        ("\x1b(Btext", "text"),
        ("text\x1b[3", "text"),
        ("\x9b31mred", "red"),
        ("bell\x07 and null\x00", "bell and null"),
        ("10 %\r50 %\r100 %\ndone\r\n", "100 %\ndone\n"),
        ("in one place\r", "in one place"),
        ("a\tb", "a\tb"),
        ("µm × °C – 脑", "µm × °C – 脑"),
        ("safe \u202egnp.exe", "safe gnp.exe"),
    ],
)
def test_a_log_reads_as_in_a_terminal(written, read):
    assert readable(written) == read


def test_markup_is_left_to_who_shows_it():
    assert readable("<script>") == "<script>"
