"""The structures of an atlas: its tree, a search in it, and what to show of it as one."""

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from core_app.http import person, refusals_as_messages
from pipeline.structures import StructureTree
from viewers_app import regions
from viewers_app.cuts import path_of
from viewers_app.opening import new_press, wanted_of
from viewers_app.tree_markup import structure_markup, tick_markup, tree_markup

MOST_FOUND = 100
LONGEST_QUERY = 100


@dataclass(frozen=True, slots=True)
class Hit:
    """One structure that a search found; `tick` is empty where nothing lies below it."""

    structure: SafeString
    path: str
    tick: SafeString | str


@login_required
@require_safe
@refusals_as_messages
def structures(request: HttpRequest) -> HttpResponse:
    """Show the tree behind a kind of view, named as the form that opens it names it."""
    wanted = wanted_of(request.GET, person(request))
    tree = regions.tree_in(wanted.layers)
    query = request.GET.get("q", "").strip()[:LONGEST_QUERY]
    ticked = {int(text) for text in request.GET.getlist("cut") if text.isdecimal()}
    hits = _hits(tree, query, ticked) if tree and query else []
    context = {
        "title": wanted.title,
        "recipe": wanted.recipe,
        "layers": wanted.layers,
        "count": len(tree) if tree else 0,
        "levels": _levels(tree) if tree else [],
        "query": query,
        "hits": hits[:MOST_FOUND],
        "more": len(hits) - MOST_FOUND,
        "tree": tree_markup(tree, ticked) if tree and not query else "",
        "ticked": sorted(ticked),
        "once": new_press(),
    }
    return render(request, "viewers_app/structures.html", context)


def _levels(tree: StructureTree) -> list[tuple[int, int]]:
    """Return each level above the finest with how many regions are left there."""
    depths = [(tree.depth(each.id), not tree.children(each.id)) for each in tree]
    deepest = max((depth for depth, _ in depths), default=0)
    return [
        (level, sum(depth == level or (is_leaf and depth < level) for depth, is_leaf in depths))
        for level in range(deepest)
    ]


def _hits(tree: StructureTree, query: str, ticked: set[int]) -> list[Hit]:
    """Return the structures whose name, acronym or id has the words, acronyms first."""
    words = query.casefold().split()
    found = []
    for each in tree:
        text = f"{each.acronym} {each.name} {each.id}".casefold()
        if all(word in text for word in words):
            found.append((each.acronym.casefold() != query.casefold(), tree.depth(each.id), each))
    found.sort(key=lambda hit: hit[:2])
    return [
        Hit(
            structure_markup(tree, each),
            path_of(tree, each.id),
            tick_markup(each, ticked) if tree.children(each.id) else "",
        )
        for _, _, each in found
    ]
