"""No page loads anything from another host."""

import re
from pathlib import Path

import pytest

from tests.architecture import source

LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source|video|audio|embed|object)\b[^>]*?
        \b(?:src|srcset|href|data|poster)\s*=\s*["']?\s*(?:https?:)?//""",
    re.VERBOSE | re.IGNORECASE,
)
STYLED = re.compile(r"""(?:url\(|@import)\s*["']?\s*(?:https?:)?//""", re.IGNORECASE)
# Names of XML vocabularies look like addresses, but nobody fetches them.
SCRIPTED = re.compile(r"""["'`](?:https?:|wss?:)//(?!www\.w3\.org/)""", re.IGNORECASE)

RULES = {
    ".html": [LOADED, STYLED],
    ".svg": [LOADED, STYLED],
    ".css": [STYLED],
    ".js": [SCRIPTED],
    ".mjs": [SCRIPTED],
}


def foreign_references(name: str, content: str) -> list[str]:
    """Return what in a template, style or script would be fetched from another host."""
    rules = RULES.get(Path(name).suffix, [])
    return [match.group() for rule in rules for match in rule.finditer(content)]


def test_no_template_style_or_script_names_another_host():
    files = [
        path
        for package in source.packages()
        for folder in ("templates", "static")
        for path in sorted((source.ROOT / package / folder).rglob("*"))
        if path.suffix in RULES
    ]

    found = {
        source.name_of(path): foreign_references(path.name, path.read_text()) for path in files
    }

    assert not {name: references for name, references in found.items() if references}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", '<script defer src="https://cdn.example/x.js"></script>'),
        ("a.html", '<link rel="stylesheet"\n href=//cdn.example/x.css>'),
        ("a.html", "<style>@import 'https://cdn.example/x.css'</style>"),
        ("a.css", "body { background: url(https://cdn.example/x.png) }"),
        ("a.js", 'import x from "https://cdn.example/x.js"'),
    ],
)
def test_a_foreign_reference_is_noticed(name, content):
    assert foreign_references(name, content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", '<a href="https://example.org">elsewhere</a>'),
        ("a.html", '<script src="{% static "site.js" %}"></script>'),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        ("a.js", 'document.createElementNS("http://www.w3.org/2000/svg", "g")'),
    ],
)
def test_links_and_vocabularies_are_allowed(name, content):
    assert not foreign_references(name, content)
