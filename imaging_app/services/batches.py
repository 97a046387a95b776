"""Write the parameters of a batch into its samples."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from django.db import transaction

from core_app.changes import changed
from core_app.errors import DomainError, Invalid
from core_app.models import User
from core_app.transitions import record
from imaging_app import rules, selectors
from imaging_app.edits import Place
from imaging_app.models import ImagingBatch, ImagingChannel, ImagingRequest
from imaging_app.rules import Acquisition, Entry, Setting
from imaging_app.selectors import batches as batch_reads
from imaging_app.services.channels import acquisition_of, drop_verdicts, line_of, refuse_stale
from imaging_app.services.guards import hold_all, require, require_changeable

Settings = Mapping[Place, Setting]


@dataclass(slots=True)
class Outcome:
    """What became of each sample of a batch, for the message to the person."""

    changed: list[ImagingRequest] = field(default_factory=list)
    same: list[ImagingRequest] = field(default_factory=list)
    # What was done to them, each said once.
    done: list[str] = field(default_factory=list)
    # Samples that were left alone, at least in part, and why.
    left: list[tuple[ImagingRequest, str]] = field(default_factory=list)


def named(imaging_request: ImagingRequest, why: str) -> str:
    """Return why a sample was left alone, with its name before it: once."""
    name = imaging_request.sample.name
    if why.startswith((f"{name}:", f"{name} ")):
        return why
    return f"{name} {why}" if why.startswith(("is ", "has ")) else f"{name}: {why}"


def apply_settings(
    batch: ImagingBatch, settings_of: Settings, *, by: User, seen: str = ""
) -> Outcome:
    """Write these parameters into every open sample that has the channel; nothing else of it.

    Planes, raw folders and purposes stay, and so do finished samples. A sample whose entered
    channels would contradict each other is left alone as a whole. Raises Invalid, with the rows, if
    a parameter cannot be right, and StaleState if a colleague changed a sample since `seen`.
    """
    require(selectors.may_image(batch, by), "Only who images this batch sets its parameters.")
    with transaction.atomic():
        samples = batch_reads.samples_of(batch)
        hold_all(samples)
        channels = batch_reads.channels_by_sample(samples)
        _require_no_problems(channels, settings_of)
        outcome, changes = _planned(samples, channels, settings_of, by)
        refuse_stale(outcome.changed, [c for group in channels.values() for c in group], seen)
        for imaging_request in outcome.changed:
            _write(imaging_request, changes[imaging_request.pk], by=by)
    return outcome


Changes = dict[ImagingChannel, Setting]


def _require_no_problems(
    channels: Mapping[int, Sequence[ImagingChannel]], settings_of: Settings
) -> None:
    known = {place_of(c): line_of(c) for group in channels.values() for c in group}
    if not settings_of:
        raise Invalid("Tick at least one channel.")
    rows = {
        place.key: (known[place], given) for place, given in settings_of.items() if place in known
    }
    if len(rows) < len(settings_of):
        raise Invalid("A channel of this form is gone meanwhile. Look again, then press again.")
    found = {key: rules.setting_problems(line, given) for key, (line, given) in rows.items()}
    problems = {key: messages for key, messages in found.items() if messages}
    problems = problems or rules.tiling_disagreements(rows)
    if problems:
        raise Invalid(next(iter(problems.values()))[0], fields=problems)


def _planned(
    samples: Sequence[ImagingRequest],
    channels: Mapping[int, Sequence[ImagingChannel]],
    settings_of: Settings,
    by: User,
) -> tuple[Outcome, dict[int, Changes]]:
    outcome, changes = Outcome(), {}
    for imaging_request in samples:
        own = {place_of(c): c for c in channels[imaging_request.pk]}
        why = _obstacle(imaging_request, list(own.values()), settings_of, by)
        if why:
            outcome.left.append((imaging_request, why))
            continue
        here = {own[p]: given for p, given in settings_of.items() if p in own}
        differing = {c: given for c, given in here.items() if acquisition_of(c).setting != given}
        changes[imaging_request.pk] = differing
        (outcome.changed if differing else outcome.same).append(imaging_request)
        missing = [p for p in settings_of if p not in own]
        if missing:
            outcome.left.append((imaging_request, f"has no {_named(missing, channels)}"))
    return outcome, changes


def _named(places: Sequence[Place], channels: Mapping[int, Sequence[ImagingChannel]]) -> str:
    words = {place_of(c): batch_reads.words_of(c) for group in channels.values() for c in group}
    return ", ".join(words[place] for place in places)


def _obstacle(
    imaging_request: ImagingRequest,
    channels: Sequence[ImagingChannel],
    settings_of: Settings,
    by: User,
) -> str:
    """Return why a sample is left as it is; empty if it is not."""
    try:
        require_changeable(imaging_request, by=by)
    except DomainError:
        return f"is {imaging_request.get_state_display().lower()}"
    entries = [
        Entry(str(c.pk), line_of(c), _as_applied(c, settings_of))
        for c in channels
        if c.raw_subfolder or place_of(c) in settings_of
    ]
    found = rules.disagreements(entries)
    return next(iter(found.values()))[0] if found else ""


def _as_applied(channel: ImagingChannel, settings_of: Settings) -> Acquisition:
    stored, given = acquisition_of(channel), settings_of.get(place_of(channel))
    return replace(stored, **asdict(given)) if given else stored


def _write(imaging_request: ImagingRequest, changes: Changes, *, by: User) -> None:
    for channel, given in changes.items():
        ImagingChannel.objects.filter(pk=channel.pk).update(**asdict(given))
        drop_verdicts(channel, channel.raw_subfolder)
    changed(*changes)
    words = [
        f"{batch_reads.words_of(c)}: {batch_reads.difference(given, acquisition_of(c).setting)}"
        for c, given in changes.items()
    ]
    record(imaging_request, "batch parameters applied", by=by, note="; ".join(words))


def place_of(channel: ImagingChannel) -> Place:
    """Return the place that this channel has in every sample of its batch."""
    return batch_reads.place_of(channel)
