"""The tree of an atlas as nested lists that open and close by themselves, without a script."""

from collections.abc import Collection

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from pipeline.structures import Structure, StructureTree, hex_color

OPEN_TO_DEPTH = 2


def tree_markup(tree: StructureTree, ticked: Collection[int] = ()) -> SafeString:
    """Return the whole tree; branches are open near the top, and down to what is ticked."""
    above_ticked = {above for id in ticked if id in tree for above in tree.ancestors(id)}
    made: dict[int, SafeString] = {}
    # From the finest structures upward, so that a tree may be as deep as it likes.
    for structure in sorted(tree, key=lambda each: -tree.depth(each.id)):
        below = [made.pop(id) for id in tree.children(structure.id)]
        is_open = tree.depth(structure.id) < OPEN_TO_DEPTH or structure.id in above_ticked
        made[structure.id] = _branch(tree, structure, below, ticked, is_open=is_open)
    items = [(made[id],) for id in tree.children(None)]
    return format_html('<ul class="tree">{}</ul>', format_html_join("", "{}", items))


def structure_markup(tree: StructureTree, structure: Structure) -> SafeString:
    """Return the color, acronym, name and id of one structure."""
    return format_html(
        '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
        '<rect width="10" height="10" rx="2" fill="{}"/></svg>'
        '{}<span class="name">{}</span> <span class="muted small numbers">{}</span>',
        hex_color(tree.color(structure.id)),
        format_html("<b>{}</b> ", structure.acronym) if structure.acronym else "",
        structure.name,
        structure.id,
    )


def tick_markup(structure: Structure, ticked: Collection[int]) -> SafeString:
    """Return the box that asks to show the structure, with all below it, as one."""
    return format_html(
        '<input class="form-check-input" type="checkbox" name="cut" value="{}"'
        ' aria-label="Show {} as one"{}>',
        structure.id,
        structure.name,
        SafeString(" checked") if structure.id in ticked else "",
    )


def _branch(
    tree: StructureTree,
    structure: Structure,
    below: list[SafeString],
    ticked: Collection[int],
    *,
    is_open: bool,
) -> SafeString:
    shown = structure_markup(tree, structure)
    if not below:
        return format_html('<li class="leaf"><div>{}</div></li>', shown)
    return format_html(
        "<li>{}<details{}><summary>{}</summary><ul>{}</ul></details></li>",
        tick_markup(structure, ticked),
        SafeString(" open") if is_open else "",
        shown,
        format_html_join("", "{}", [(item,) for item in below]),
    )
