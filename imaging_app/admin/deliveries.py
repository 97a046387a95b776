"""What was acquired and delivered, in the staff console: to look at, written by services alone."""

from typing import Any, ClassVar

from django.contrib import admin
from django.urls import reverse
from unfold.admin import StackedInline, TabularInline

from core_app.admin import HistoryMixin, ListMixin
from imaging_app.admin.sections import LookOnly
from imaging_app.models import DeliveryWaiver, ImagingChannel, ImagingResolution, RawDelivery
from requests_app.admin.sections import minute

OF_ROUND = "resolution__imaging_request__sample"
SEARCHED = (
    f"{OF_ROUND}__name", f"{OF_ROUND}__code", f"{OF_ROUND}__subject__name",
    f"{OF_ROUND}__request__name", f"{OF_ROUND}__request__owner__username",
)  # fmt: skip
NEEDED = ("resolution__objective", f"{OF_ROUND}__request__owner")
HELP = "Request, owner, sample, tube code, animal or folder."


class ChannelInline(LookOnly, StackedInline):  # type: ignore[misc]  # unfold has no type hints
    """What was wanted and what was set; entered on the imaging pages, where it is checked."""

    model = ImagingChannel


class DeliveryInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """The raw folders as they were found by their last check."""

    model = RawDelivery
    fields = ("subfolder", "ventral_up", "is_right", "checked_at", "checked_by")
    readonly_fields = fields
    show_change_link = True


class WaiverInline(LookOnly, TabularInline):  # type: ignore[misc]  # unfold has no type hints
    """What was accepted about the raw folders, and why."""

    model = DeliveryWaiver
    fields = ("subfolder", "ventral_up", "what", "reason", "by", "at")
    readonly_fields = fields


@admin.register(ImagingResolution)
class ImagingResolutionAdmin(LookOnly, HistoryMixin):
    """One objective of one sample's round, with its channels."""

    list_display = (
        "imaging_request", "objective", "notes_for_imager", "acquisition_started_at",
        "acquisition_ended_at",
    )  # fmt: skip
    list_filter = (
        "objective__microscope", "objective", "imaging_request__state",
        "imaging_request__sample__request__lab",
    )  # fmt: skip
    list_select_related = ("imaging_request__sample__request__owner", "objective")
    search_fields = tuple(name.removeprefix("resolution__") for name in SEARCHED)
    search_help_text = "Request, owner, sample, tube code or animal."
    inlines: ClassVar = [ChannelInline, DeliveryInline, WaiverInline]

    def view_on_site(self, obj: ImagingResolution) -> str:
        return reverse("imaging:request", args=[obj.imaging_request_id])


class OfRoundAdmin(LookOnly, ListMixin):
    """Base of what lies in one objective of one sample's round."""

    list_select_related: Any = NEEDED
    search_help_text = HELP

    def view_on_site(self, obj: Any) -> str:
        return reverse("imaging:request", args=[obj.resolution.imaging_request_id])

    @admin.display(description="sample", ordering=f"{OF_ROUND}__name")
    def sample(self, obj: Any) -> str:
        return str(obj.resolution.imaging_request)

    @admin.display(description="objective", ordering="resolution__objective__position")
    def objective(self, obj: Any) -> str:
        return str(obj.resolution.objective.name)


@admin.register(ImagingChannel)
class ImagingChannelAdmin(OfRoundAdmin):
    """Channels as they were ordered and acquired."""

    list_display = (
        "sample", "objective", "wavelength", "ventral_up", "wanted_for", "z_planes", "z_step_um",
        "tiles", "raw_subfolder", "is_requested",
    )  # fmt: skip
    list_filter = (
        "resolution__objective__microscope", "resolution__objective", "wavelength__name",
        "ventral_up", "is_requested", "orientation", "resolution__imaging_request__state",
        f"{OF_ROUND}__request__lab",
    )  # fmt: skip
    list_select_related = (*NEEDED, "wavelength")
    search_fields = (*SEARCHED, "raw_subfolder")

    @admin.display(description="wanted for")
    def wanted_for(self, obj: ImagingChannel) -> str:
        return ", ".join(purpose.replace("_", " ") for purpose in obj.purposes)

    @admin.display(description="tiles (columns x rows)")
    def tiles(self, obj: ImagingChannel) -> str:
        return f"{obj.tile_columns} x {obj.tile_rows}"


@admin.register(RawDelivery)
class RawDeliveryAdmin(OfRoundAdmin):
    """What the last check of each raw folder said."""

    list_display = (
        "subfolder", "sample", "objective", "ventral_up", "is_right", "problem_count", "files",
        "checked", "checked_by", "verified",
    )  # fmt: skip
    list_filter = (
        "is_right", "resolution__objective__microscope", "resolution__objective", "checked_by",
        "ventral_up", f"{OF_ROUND}__request__lab",
    )  # fmt: skip
    list_select_related = (*NEEDED, "checked_by")
    search_fields = (*SEARCHED, "subfolder", "manifest_digest")

    @admin.display(description="problems")
    def problem_count(self, obj: RawDelivery) -> int:
        return len(obj.problems)

    @admin.display(description="checked", ordering="checked_at")
    def checked(self, obj: RawDelivery) -> str:
        return minute(obj.checked_at)

    @admin.display(description="read again", ordering="verified_at")
    def verified(self, obj: RawDelivery) -> str:
        return minute(obj.verified_at)


@admin.register(DeliveryWaiver)
class DeliveryWaiverAdmin(OfRoundAdmin):
    """What was accepted about raw data although it is not as it should be."""

    list_display = ("what", "reason", "subfolder", "sample", "objective", "by", "accepted")
    list_filter = (
        "resolution__objective__microscope", "resolution__objective", "by",
        f"{OF_ROUND}__request__lab",
    )  # fmt: skip
    list_select_related = (*NEEDED, "by")
    search_fields = (*SEARCHED, "subfolder", "what", "reason")

    @admin.display(description="accepted", ordering="at")
    def accepted(self, obj: DeliveryWaiver) -> str:
        return minute(obj.at)
