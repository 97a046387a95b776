"""Which bytes answer which headers."""

import pytest

from viewers_app.ranges import Answer, Span, answer

ETAG = '"1-64-2"'
SIZE = 100
WHOLE = Answer(200, Span(0, SIZE))


def asked(method: str = "GET", size: int = SIZE, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(method, named, size=size, etag=ETAG)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=10-19", Span(10, 10)),
        ("bytes=90-", Span(90, 10)),
        ("bytes=90-500", Span(90, 10)),
        ("bytes=-7", Span(93, 7)),
        ("bytes=-500", Span(0, 100)),
        ("Bytes=0-9", Span(0, 10)),
        ("bytes= 0-9", Span(0, 10)),
    ],
)
def test_one_range_is_served_as_a_part(text: str, span: Span) -> None:
    assert asked(Range=text) == Answer(206, span)


@pytest.mark.parametrize("text", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_behind_the_end_cannot_be_served(text: str) -> None:
    assert asked(Range=text) == Answer(416, None)


@pytest.mark.parametrize(
    "text",
    ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "bytes=a-b", "lines=0-1", "0-1", "bytes=\u0660-9",
     "bytes=" + "9" * 5000 + "-"],
)  # fmt: skip
def test_what_is_not_one_range_gets_the_whole_file(text: str) -> None:
    assert asked(Range=text) == WHOLE


def test_a_head_request_ignores_ranges() -> None:
    assert asked("HEAD", Range="bytes=0-9") == WHOLE


def test_a_range_of_the_known_file_is_served() -> None:
    assert asked(Range="bytes=0-9", If_Range=ETAG) == Answer(206, Span(0, 10))


@pytest.mark.parametrize("known", ['"other"', 'W/"1-64-2"', "Mon, 03 Nov 2025 10:00:00 GMT"])
def test_a_range_of_another_file_gets_the_whole_new_one(known: str) -> None:
    assert asked(Range="bytes=0-9", If_Range=known) == WHOLE


@pytest.mark.parametrize("known", [ETAG, f'"x", {ETAG}', f"W/{ETAG}", "*"])
def test_a_file_that_is_known_is_not_sent_again(known: str) -> None:
    assert asked(If_None_Match=known) == Answer(304, None)


def test_a_file_that_changed_is_sent() -> None:
    assert asked(If_None_Match='"older"') == WHOLE


def test_an_empty_file_is_empty_and_has_no_ranges() -> None:
    assert asked(size=0) == Answer(200, Span(0, 0))
    assert asked(size=0, Range="bytes=0-") == Answer(416, None)
