"""Atlases: what is installed of them. Their files come by the command `import_atlas`."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from processing_app.models import Atlas

_BY_IMPORT = (
    "installed", "size", "axes", "structures", "regions", "template_path", "annotation_path",
    "structure_tree_path", "checksum", "installed_at",
)  # fmt: skip
# Typed in for an atlas that is only offered; once it is installed, what the files are.
_OF_THE_FILES = ("name", "voxel_x_um", "voxel_y_um", "voxel_z_um", "orientation")


@admin.register(Atlas)
class AtlasAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """Reference brains. One that was used stays; it is taken off offer instead of deleted."""

    list_display = (
        "label", "name", "installed", "voxel_size", "regions", "short_source", "is_offered",
        "position",
    )  # fmt: skip
    list_editable = ("is_offered", "position")
    search_fields = ("label", "name")
    fieldsets = (
        (None, {"fields": ("label", "source", "licence", "is_offered", "position")}),
        ("Brain", {"fields": _OF_THE_FILES}),
        (
            "Files",
            {
                "fields": _BY_IMPORT,
                "description": "Files and what belongs to them are installed by an operator: "
                "manage.py import_atlas --name NAME … (docs/atlases.md).",
            },
        ),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*_OF_THE_FILES, *_BY_IMPORT) if obj and obj.is_installed else _BY_IMPORT

    @admin.display(boolean=True, description="installed")
    def installed(self, atlas: Atlas) -> bool:
        return atlas.is_installed

    @admin.display(description="voxel size (µm)")
    def voxel_size(self, atlas: Atlas) -> str:
        return " × ".join(f"{side:g}" for side in atlas.voxel_um)

    @admin.display(description="size (voxels)")
    def size(self, atlas: Atlas) -> str:
        return f"{atlas.size_x} × {atlas.size_y} × {atlas.size_z}" if atlas.is_installed else "–"

    @admin.display(description="source")
    def short_source(self, atlas: Atlas) -> str:
        return atlas.source[:60] + "…" if len(atlas.source) > 60 else atlas.source
