"""Install a reference brain from published files, a BrainGlobe folder, or the phantom."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core_app.errors import DomainError
from pipeline.errors import StepFailed
from pipeline.orientation import ORIENTATIONS, Axes, axes_of_letters, read_axes
from processing_app.models import Atlas
from processing_app.services import atlases
from viewers_app.services import layers

if TYPE_CHECKING:
    from processing_app.atlas_files.sources import FoundAtlas

PHANTOM = atlases.About(
    name="phantom",
    label="Phantom brain",
    source="Computed: an invented brain, of no animal.",
    licence="as lightserv",
)


class Command(BaseCommand):
    """Exit 1 with a sentence where the files are not right; nothing is changed then."""

    help = "Install an atlas (docs/atlases.md). Repeatable: the same files again change nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        add = parser.add_argument
        add("--name", default="", help="short name, which requests keep, such as allen_2017")
        add("--label", default="", help="name that people see")
        add("--source", default="", help="where it is from, and how to cite it")
        add("--licence", default="", help="licence of the files, such as CC BY 4.0")
        add("--template", type=Path, help="template volume, TIFF or NIfTI")
        add("--annotation", type=Path, help="annotation volume, TIFF or NIfTI")
        add("--tree", type=Path, help="ontology: Allen JSON, or CSV with id, name, parent")
        add("--brainglobe", type=Path, help="folder of a BrainGlobe atlas, instead of files")
        add("--phantom", action="store_true", help="the invented brain of the demo, instead")
        add("--voxel", default="", help="voxel size of the files along x,y,z in µm")
        add("--axes", default="", help="how the files lie, along x,y,z: DV,AP,LR")
        add(
            "--orientation", default="", help="the same by a name, or in BrainGlobe's letters (asr)"
        )
        add("--to-orientation", default="sagittal", choices=sorted(ORIENTATIONS))
        add("--keep-unknown", action="store_true", help="add ids that the tree lacks, by number")
        add("--replace", action="store_true", help="even if requests chose the atlas already")
        add("--dry-run", action="store_true", help="read and judge everything, write nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            about = _about(options)
            atlases.axes_of(about)
            found = _found(options)
            self._describe(found)
            if options["dry_run"]:
                self.stdout.write("Nothing was written (--dry-run).")
                return
            row, is_new = atlases.install(found, about, may_replace=options["replace"])
        except (DomainError, StepFailed) as refusal:
            raise CommandError(refusal.message) from refusal
        layers.publish_atlas_layers()
        what = "is installed" if is_new else "was installed already from these files"
        self.stdout.write(f"{row.label} ({row.name}) {what}: {row.regions} regions.")

    def _describe(self, found: "FoundAtlas") -> None:
        for remark in found.remarks:
            self.stderr.write(f"Note: {remark}")
        z, y, x = found.template.shape
        sides = " x ".join(f"{side:g}" for side in found.voxel_um)
        self.stdout.write(
            f"{x} x {y} x {z} voxels of {sides} µm along {', '.join(found.axes)}; "
            f"{len(found.tree)} structures, {len(found.voxels)} of them with voxels."
        )


def _about(options: dict[str, Any]) -> atlases.About:
    name = options["name"] or (PHANTOM.name if options["phantom"] else "")
    if not name:
        raise CommandError("Give the atlas a --name.")
    for column in ("name", "label", "licence"):
        longest = getattr(Atlas._meta.get_field(column), "max_length", 0)
        if len(options[column] or "") > longest:
            raise CommandError(f"--{column} has at most {longest} characters.")
    usual = PHANTOM if options["phantom"] else atlases.About(name="")
    return atlases.About(
        name=name,
        label=options["label"] or usual.label,
        source=options["source"] or usual.source,
        licence=options["licence"] or usual.licence,
        orientation=options["to_orientation"],
    )


def _found(options: dict[str, Any]) -> "FoundAtlas":
    # Arrays and readers of volumes are needed by this command only.
    from processing_app.atlas_files import sources

    given = [options["template"], options["annotation"], options["tree"]]
    kinds = [options["phantom"], options["brainglobe"] is not None, any(given)]
    if sum(map(bool, kinds)) != 1 or (any(given) and not all(given)):
        raise CommandError(
            "Give --template, --annotation and --tree together, or --brainglobe FOLDER, or "
            "--phantom."
        )
    if not any(given) and (options["voxel"] or options["axes"] or options["orientation"]):
        raise CommandError("--voxel, --axes and --orientation go with --template only.")
    if options["phantom"]:
        return sources.phantom()
    keep = options["keep_unknown"]
    if options["brainglobe"]:
        return sources.of_brainglobe(options["brainglobe"], keep_unknown=keep)
    return sources.of_files(
        *given, voxel_um=_voxel(options["voxel"]), axes=_axes(options), keep_unknown=keep
    )


def _voxel(text: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        raise CommandError(f"--voxel is x,y,z in µm, such as 25,25,25, not {text!r}.") from None
    if not all(0 < side < 1e6 for side in (x, y, z)):
        raise CommandError("--voxel has three lengths above 0 µm.")
    return x, y, z


def _axes(options: dict[str, Any]) -> Axes | None:
    text, named = options["axes"], options["orientation"]
    if text and named:
        raise CommandError("Give --axes or --orientation, not both.")
    if text:
        return read_axes({"--axes": [part.strip().upper() for part in text.split(",")]}, "--axes")
    if named:
        return ORIENTATIONS[named] if named in ORIENTATIONS else axes_of_letters(named)
    return None
