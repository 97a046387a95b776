"""Write which channels of a sample are imaged, and what they are for."""

from collections.abc import Callable, Sequence

from core_app.changes import changed, removed
from core_app.errors import Invalid, NotReady, Taken
from core_app.models import User
from core_app.transitions import record
from imaging_app import selectors
from imaging_app.edits import (
    AddChannel,
    AddTwin,
    ChangeObjective,
    Edit,
    Place,
    RemoveChannel,
    SetPurposes,
)
from imaging_app.models import ImagingChannel, ImagingRequest, ImagingResolution, Wavelength
from imaging_app.rules import SETTING_FIELDS, Wanted, line_words, purpose_problems
from imaging_app.selectors import batches as batch_reads
from imaging_app.services import objectives
from imaging_app.services.channels import drop_verdicts, key_of, refuse_stale
from imaging_app.services.guards import hold_all, require_changeable
from imaging_app.services.objectives import resolution_of
from requests_app.plans import PURPOSES


def is_done(imaging_request: ImagingRequest, edit: Edit) -> bool:
    """Return True if the sample is as the edit wants it already: the button was pressed twice."""
    match edit:
        case AddChannel(place, purposes) | SetPurposes(place, purposes):
            channel = _find(imaging_request, place)
            return channel is not None and set(channel.purposes) == set(purposes)
        case RemoveChannel(place):
            return _find(imaging_request, place) is None
        case AddTwin():
            return _find(imaging_request, edit.twin) is not None
        case ChangeObjective():
            return objectives.is_changed(imaging_request, edit)


def concerns(imaging_request: ImagingRequest, edit: Edit) -> bool:
    """Return False for a sample that never had the objective which is to be another one."""
    if not isinstance(edit, ChangeObjective) or is_done(imaging_request, edit):
        return True
    return imaging_request.resolutions.filter(objective=edit.objective).exists()


def carry_out(imaging_request: ImagingRequest, edit: Edit, *, by: User, seen: str = "") -> str:
    """Change one sample and return what was done, in words; empty if it was so already.

    The caller holds the transaction. Raises StaleState if a colleague changed the sample since the
    form was made (`seen`).
    """
    hold_all([imaging_request])
    require_changeable(imaging_request, by=by)
    if is_done(imaging_request, edit):
        return ""
    refuse_stale([imaging_request], selectors.channels_of(imaging_request), seen)
    act: Callable[..., str] = ACTS[type(edit)]
    return act(imaging_request, edit, by=by)


def add_channel(imaging_request: ImagingRequest, edit: AddChannel, *, by: User) -> str:
    """Image one line more of the microscope at one objective."""
    resolution = resolution_of(imaging_request, edit.place.objective)
    line = _line_of(resolution, edit.place.wavelength)
    words = line_words(line.name, resolution.objective.name, ventral_up=edit.place.ventral_up)
    if _find(imaging_request, edit.place) is not None:
        raise Taken(f"{words} is there already. To change what it is for, press Purposes.")
    wanted = _wanted(line, edit.place, edit.purposes)
    _require_purposes(resolution, [*_wanted_of(resolution), wanted])
    channel = ImagingChannel.objects.create(
        resolution=resolution,
        wavelength=line,
        ventral_up=edit.place.ventral_up,
        is_requested=False,
        **_setting_beside(resolution),
        **_as_columns(edit.purposes),
    )
    changed(channel)
    note = f"{words}, for {batch_reads.purposes_in_words(channel.purposes)}"
    record(imaging_request, "channel added", by=by, note=note)
    return f"{words} is added"


def remove_channel(imaging_request: ImagingRequest, edit: RemoveChannel, *, by: User) -> str:
    """Image one line less; at least one stays at each objective."""
    channel = get_channel(imaging_request, edit.place)
    resolution, words = channel.resolution, batch_reads.words_of(channel)
    if resolution.channels.count() == 1:
        raise NotReady(
            f"{words} is the last channel there. Add another one first, change the objective, or "
            "skip the sample."
        )
    left = [w for c, w in _pairs_of(resolution) if c.pk != channel.pk]
    _require_purposes(resolution, left)
    purposes = batch_reads.purposes_in_words(channel.purposes)
    drop_verdicts(channel, channel.raw_subfolder)
    removed(channel, key_of(channel))
    ImagingChannel.objects.filter(pk=channel.pk).delete()
    verb = batch_reads.REMOVED if channel.is_requested else "channel removed"
    asked = "requested " if channel.is_requested else ""
    record(imaging_request, verb, by=by, note=f"{words}, {asked}for {purposes}")
    return f"{words} is removed"


def set_purposes(imaging_request: ImagingRequest, edit: SetPurposes, *, by: User) -> str:
    """Say anew what a channel is for."""
    channel = get_channel(imaging_request, edit.place)
    resolution, words = channel.resolution, batch_reads.words_of(channel)
    others = [w for c, w in _pairs_of(resolution) if c.pk != channel.pk]
    wanted = _wanted(channel.wavelength, edit.place, edit.purposes)
    _require_purposes(resolution, [*others, wanted])
    before = batch_reads.purposes_in_words(channel.purposes)
    ImagingChannel.objects.filter(pk=channel.pk).update(**_as_columns(edit.purposes))
    changed(channel)
    now = batch_reads.purposes_in_words(p for p in PURPOSES if p in edit.purposes)
    record(imaging_request, "purposes changed", by=by, note=f"{words}: {before} → {now}")
    return f"{words} is for {now}"


def add_twin(imaging_request: ImagingRequest, edit: AddTwin, *, by: User) -> str:
    """Image a channel ventral up as well: set as the dorsal one, but with data of its own."""
    dorsal = get_channel(imaging_request, edit.place)
    words = batch_reads.words_of(dorsal)
    if dorsal.orientation != ImagingChannel.Orientation.HORIZONTAL:
        raise NotReady(
            f"{imaging_request.sample}: channel {words} is imaged {dorsal.orientation}. Only a "
            "horizontal channel can be imaged ventral up as well; set it to horizontal first."
        )
    copied = {name: getattr(dorsal, name) for name in (*SETTING_FIELDS, *PURPOSES)}
    twin = ImagingChannel.objects.create(
        resolution=dorsal.resolution,
        wavelength=dorsal.wavelength,
        ventral_up=True,
        is_requested=False,
        **copied,
    )
    changed(twin)
    record(imaging_request, "ventral-up channel added", by=by, note=batch_reads.words_of(twin))
    return f"{batch_reads.words_of(twin)} is added"


ACTS: dict[type[Edit], Callable[..., str]] = {
    AddChannel: add_channel,
    RemoveChannel: remove_channel,
    SetPurposes: set_purposes,
    AddTwin: add_twin,
    ChangeObjective: objectives.change_objective,
}


def channels_meant(
    imaging_request: ImagingRequest, edit: RemoveChannel | ChangeObjective
) -> list[ImagingChannel]:
    """Return the channels that the edit takes away, or moves to another objective."""
    rows = selectors.channels_of(imaging_request)
    if isinstance(edit, ChangeObjective):
        return list(rows.filter(resolution__objective=edit.objective))
    channel = _find(imaging_request, edit.place)
    return [channel] if channel else []


def get_channel(imaging_request: ImagingRequest, place: Place) -> ImagingChannel:
    """Return the channel at this place. Raises NotReady if the sample has none."""
    found = _find(imaging_request, place)
    if found is None:
        resolution = resolution_of(imaging_request, place.objective)
        line = _line_of(resolution, place.wavelength)
        name = resolution.objective.name
        words = line_words(line.name, name, ventral_up=place.ventral_up)
        raise NotReady(f"{imaging_request.sample} has no channel {words}.")
    return found


def _find(imaging_request: ImagingRequest, place: Place) -> ImagingChannel | None:
    rows = selectors.channels_of(imaging_request).filter(
        resolution__objective=place.objective,
        wavelength=place.wavelength,
        ventral_up=place.ventral_up,
    )
    return rows.first()


def _line_of(resolution: ImagingResolution, wavelength_id: int) -> Wavelength:
    microscope = resolution.objective.microscope
    found = microscope.wavelengths.filter(pk=wavelength_id).first()
    if found is None:
        raise Invalid(f"Choose a line of the {microscope} for {resolution.objective.name}.")
    return found


def _setting_beside(resolution: ImagingResolution) -> dict[str, object]:
    """Return tiles as the other channels of the objective have them, and its usual z step."""
    other = resolution.channels.order_by("ventral_up", "wavelength__position").first()
    setting: dict[str, object] = {
        "z_step_um": float(resolution.objective.default_z_step_um),
        "right_sheet": resolution.objective.light_sheets > 1,
    }
    if other is not None:
        shared = ("tile_columns", "tile_rows", "tile_overlap", "zoom")
        setting |= {name: getattr(other, name) for name in shared}
    return setting


def _pairs_of(resolution: ImagingResolution) -> list[tuple[ImagingChannel, Wanted]]:
    rows = resolution.channels.select_related("wavelength")
    return [
        (c, Wanted(c.wavelength.name, c.purposes, c.wavelength.may_register, c.ventral_up))
        for c in rows
    ]


def _wanted_of(resolution: ImagingResolution) -> list[Wanted]:
    return [wanted for _, wanted in _pairs_of(resolution)]


def _wanted(line: Wavelength, place: Place, purposes: Sequence[str]) -> Wanted:
    return Wanted(line.name, tuple(purposes), line.may_register, place.ventral_up)


def _require_purposes(resolution: ImagingResolution, wanted: Sequence[Wanted]) -> None:
    objective = resolution.objective
    species = resolution.imaging_request.sample.request.species
    only = objective.name if objective.only_generic_imaging else ""
    if species is not None and species.only_generic_imaging:
        only = only or species.name
    problems = purpose_problems(objective.name, wanted, generic_only_for=only)
    if problems:
        raise Invalid(problems[0], fields={"purposes": problems})


def _as_columns(purposes: Sequence[str]) -> dict[str, bool]:
    return {purpose: purpose in purposes for purpose in PURPOSES}
