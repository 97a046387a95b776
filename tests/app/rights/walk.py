"""Every address there is, as the resolver knows it."""

from collections.abc import Iterator, Sequence

from django.urls import URLPattern, URLResolver, get_resolver

from tests.app.rights.table import FAMILIES


def addresses(urlconf: str) -> dict[str, str]:
    """Return {name, or address where it has none: address} of all patterns outside the families."""
    found = dict(_below(get_resolver(urlconf).url_patterns))
    return {name or route: route for route, name in found.items() if not _in_family(route)}


def family(urlconf: str, prefix: str) -> dict[str, str]:
    """Return {name: address} of one family."""
    found = _below(get_resolver(urlconf).url_patterns)
    return {name: route for route, name in found if route.startswith(prefix)}


def _in_family(route: str) -> bool:
    return route.startswith(FAMILIES)


def _below(
    patterns: Sequence[URLPattern | URLResolver], prefix: str = "", namespace: str = ""
) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from _below(pattern.url_patterns, route, inner)
        else:
            yield route, f"{namespace}{pattern.name}" if pattern.name else ""
