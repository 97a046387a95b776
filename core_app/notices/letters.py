"""Letters: what a mail says, once, rendered as text and as HTML.

What people typed comes in as plain values. They are made harmless here: no control characters, no
characters that turn the direction of writing, and escaped in HTML.
"""

import re
import unicodedata
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

LONGEST_SUBJECT = 200
LONGEST_QUOTE = 2000
MOST_ITEMS = 50
WIDTH = 76
# Embeddings, overrides and isolates of the direction of writing; they reach beyond a value's end.
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Letter:
    """The words of one mail. Lists are (title, items), links (what it is, path on this site)."""

    subject: str
    opening: str
    facts: tuple[tuple[str, str], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()
    quote_title: str = ""
    quote: str = ""
    closing: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rendered:
    subject: str
    text: str
    html: str


def render(letter: Letter, *, why: str) -> Rendered:
    """Return subject, text and HTML; each of the two parts is complete by itself."""
    context = {**_harmless(letter), "why": one_line(why), "site": settings.SITE_URL}
    return Rendered(
        subject=subject_of(letter.subject),
        text=_tidied(render_to_string("core_app/mails/letter.txt", context)),
        html=render_to_string("core_app/mails/letter.html", context),
    )


def subject_of(words: str) -> str:
    """Return the subject on one line, with the site's prefix, never too long for its column."""
    return shortened(f"{settings.MAIL_PREFIX} {one_line(words)}".strip(), LONGEST_SUBJECT)


def shortened(text: str, longest: int = 60) -> str:
    """Shorten in the middle, since both ends tell names apart."""
    if len(text) <= longest:
        return text
    tail = (longest - 1) // 2
    return f"{text[: longest - 1 - tail]}…{text[-tail:]}"


def one_line(value: object) -> str:
    """Return the value without line ends and whatever else could leave its place."""
    return " ".join(_visible(str(value)).split())


def _visible(text: str) -> str:
    shown = DIRECTION.sub("", text)
    return "".join(c if unicodedata.category(c) not in {"Cc", "Zl", "Zp"} else " " for c in shown)


def _harmless(letter: Letter) -> dict[str, Any]:
    quote = shortened(letter.quote.strip(), LONGEST_QUOTE)
    return {
        "opening": one_line(letter.opening),
        "facts": [(one_line(label), one_line(value)) for label, value in letter.facts],
        "lists": [(one_line(title), _shown(items)) for title, items in letter.lists if items],
        "quote_title": one_line(letter.quote_title),
        "quote": [one_line(line) for line in quote.splitlines()] if quote else [],
        "closing": [one_line(paragraph) for paragraph in letter.closing],
        "links": [(one_line(words), f"{settings.SITE_URL}{path}") for words, path in letter.links],
    }


def _shown(items: tuple[str, ...]) -> list[str]:
    rest = len(items) - MOST_ITEMS
    lines = [one_line(item) for item in items[:MOST_ITEMS]]
    return [*lines, f"and {rest} more"] if rest > 0 else lines


def _tidied(text: str) -> str:
    """Wrap long paragraphs, keep list items, quotes and addresses as they are."""
    lines = [part for line in text.splitlines() for part in _wrapped(line.rstrip())]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _wrapped(line: str) -> list[str]:
    if line == "--":
        return ["-- "]  # by which mail programs know what is no part of the message
    if len(line) <= WIDTH:
        return [line]
    indent = {"- ": "  ", "> ": "> "}.get(line[:2], "")
    options = {"break_long_words": False, "break_on_hyphens": False}
    return wrap(line, WIDTH, subsequent_indent=indent, **options)  # type: ignore[arg-type]  # two flags
