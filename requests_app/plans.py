"""RequestPlan: what a researcher asks for, as plain values between the form and the services."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from requests_app.days_of_plans import EARLIEST_DAY, check_capacity, check_dates

PURPOSES = (
    "registration",
    "injection_detection",
    "probe_detection",
    "cell_detection",
    "generic_imaging",
)
MOST_SAMPLES = 50
MOST_OBJECTIVES = 5
LONGEST_OF_SAMPLE = {"antibody1": 100, "antibody2": 100, "notes_for_clearer": 400}
LONGEST_OF_RESOLUTION = {"notes_for_imager": 1024, "notes_for_processor": 1024}
ORIENTATIONS = ("sagittal", "coronal", "horizontal")


@dataclass(frozen=True, slots=True)
class ChannelPlan:
    """One wavelength at one objective with its purposes."""

    wavelength: str
    purposes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResolutionPlan:
    """One objective of one sample."""

    objective: str
    channels: tuple[ChannelPlan, ...]
    notes_for_imager: str = ""
    notes_for_processor: str = ""
    atlas: str = ""
    final_orientation: str = "sagittal"


@dataclass(frozen=True, slots=True)
class SamplePlan:
    """One tube."""

    name: str
    protocol: str
    antibody1: str = ""
    antibody2: str = ""
    subject: str = ""
    perfusion_date: date | None = None
    expected_handoff_date: date | None = None
    notes_for_clearer: str = ""
    resolutions: tuple[ResolutionPlan, ...] = ()

    @property
    def chemistry(self) -> tuple[str, str, str]:
        """Return the grouping key of clearing batches; white space does not tell them apart."""
        return (self.protocol, " ".join(self.antibody1.split()), " ".join(self.antibody2.split()))

    @property
    def imaging(self) -> frozenset[tuple[str, frozenset[str]]]:
        """Return the grouping key of imaging batches: which channels at which objectives.

        What a channel is for does not matter, nor does any order; without a purpose it is none.
        """
        return frozenset(
            (r.objective, frozenset(c.wavelength for c in r.channels if c.purposes))
            for r in self.resolutions
        )


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """One whole request."""

    name: str
    description: str
    species: str
    correspondence_email: str
    lab: str
    samples: tuple[SamplePlan, ...]
    retention: str = "important"
    testing: bool = False
    self_clearing: bool = False
    self_imaging: bool = False
    auditor: str = ""


@dataclass(slots=True)
class Rules:
    """What the database allows, read once, so that checking a plan is pure."""

    species_generic_only: dict[str, bool]
    protocols_of_species: dict[str, frozenset[str]]
    protocols_needing_antibody: frozenset[str]
    objectives_generic_only: dict[str, bool]
    wavelengths_of_objective: dict[str, tuple[str, ...]]
    atlases: frozenset[str] = field(default_factory=frozenset)
    # Objective → the channels that may be registered; an absent objective allows all of its own.
    registrable: dict[str, frozenset[str]] = field(default_factory=dict)
    # Day → samples that it still takes; None = no limit, 0 = closed or full.
    handoff_left: Mapping[date, int | None] = field(default_factory=dict)
    handoff_notes: Mapping[date, str] = field(default_factory=dict)
    next_open_days: Sequence[date] = ()
    closed_days: Collection[date] = frozenset()
    today: date = EARLIEST_DAY
    usernames: Collection[str] = frozenset()
    subjects: Collection[str] = frozenset()
    owner: str = ""
    # Objective → what is the matter with its microscope: so much that it cannot be ordered now,
    # or something to know before it is.
    objectives_stopped: Mapping[str, str] = field(default_factory=dict)
    objectives_limited: Mapping[str, str] = field(default_factory=dict)


Problems = dict[str, list[str]]


def problems_of(plan: RequestPlan, rules: Rules) -> Problems:
    """Return every problem of a plan as {field address: messages}; empty when it may be submitted.

    Addresses look like `name`, `samples.0.protocol`, `samples.0.resolutions.0.channels`.
    """
    found: Problems = {}
    _check_request(plan, rules, found)
    _check_names(plan.samples, found)
    for index, sample in enumerate(plan.samples):
        _check_sample(plan, sample, f"samples.{index}", rules, found)
    if not plan.self_clearing:
        check_capacity(plan.samples, rules, found)
    return found


def imaging_problems_of(plan: RequestPlan, rules: Rules) -> Problems:
    """Return what is wrong with the imaging of the samples, as problems_of() does, and only that.

    For further rounds of a request, of which everything else is settled.
    """
    found: Problems = {}
    for index, sample in enumerate(plan.samples):
        _check_imaging(plan, sample, f"samples.{index}", rules, found)
    return found


def _add(found: Problems, address: str, message: str) -> None:
    found.setdefault(address, []).append(message)


def _check_request(plan: RequestPlan, rules: Rules, found: Problems) -> None:
    if plan.species not in rules.species_generic_only:
        _add(found, "species", "Choose one of the species of the list.")
    if plan.auditor and plan.auditor not in rules.usernames:
        _add(found, "auditor", "Nobody here has this username; ask the person for theirs.")
    elif plan.auditor and plan.auditor == rules.owner:
        _add(found, "auditor", "The owner sees the request anyway; name somebody else or nobody.")
    if not plan.samples:
        _add(found, "samples", "Add at least one sample.")
    if len(plan.samples) > MOST_SAMPLES:
        _add(
            found,
            "samples",
            f"A request holds at most {MOST_SAMPLES} samples; make two requests of it.",
        )


def _check_names(samples: Sequence[SamplePlan], found: Problems) -> None:
    seen: dict[str, int] = {}
    for index, sample in enumerate(samples):
        key = sample.name.casefold()
        if key in seen:
            first = seen[key] + 1
            _add(
                found,
                f"samples.{index}.name",
                f"Sample {first} has this name already; upper and lower case count as equal.",
            )
        seen.setdefault(key, index)


def _check_sample(
    plan: RequestPlan, sample: SamplePlan, at: str, rules: Rules, found: Problems
) -> None:
    allowed = rules.protocols_of_species.get(plan.species, frozenset())
    if sample.protocol not in allowed:
        _add(
            found,
            f"{at}.protocol",
            f"{sample.protocol or 'Nothing'} is not offered for {plan.species}; "
            f"choose one of: {', '.join(sorted(allowed))}.",
        )
    if sample.protocol in rules.protocols_needing_antibody and not sample.antibody1.strip():
        _add(
            found,
            f"{at}.antibody1",
            "Immunostaining needs a primary antibody: name it and its concentration.",
        )
    if not plan.self_clearing and sample.expected_handoff_date is None:
        _add(
            found,
            f"{at}.expected_handoff_date",
            "Say when you will hand this sample in, so that clearing can be planned.",
        )
    if sample.subject and sample.subject not in rules.subjects:
        _add(
            found,
            f"{at}.subject",
            "This animal is not in the list; leave it blank if you are not sure.",
        )
    check_dates(sample, at, rules, found)
    _check_lengths(sample, LONGEST_OF_SAMPLE, at, found)
    _check_imaging(plan, sample, at, rules, found)


def _check_imaging(
    plan: RequestPlan, sample: SamplePlan, at: str, rules: Rules, found: Problems
) -> None:
    if not sample.resolutions:
        _add(found, f"{at}.resolutions", "Choose at least one objective for this sample.")
    if len(sample.resolutions) > MOST_OBJECTIVES:
        _add(
            found,
            f"{at}.resolutions",
            f"A sample is imaged at {MOST_OBJECTIVES} objectives at most; remove some.",
        )
    objectives = [r.objective for r in sample.resolutions]
    for index, resolution in enumerate(sample.resolutions):
        address = f"{at}.resolutions.{index}"
        if resolution.objective in objectives[:index]:
            _add(
                found,
                f"{address}.objective",
                f"{resolution.objective} is chosen twice for this sample; remove one.",
            )
        _check_resolution(plan, resolution, address, rules, found)


def _check_lengths(
    plan: SamplePlan | ResolutionPlan, limits: Mapping[str, int], at: str, found: Problems
) -> None:
    for name, most in limits.items():
        length = len(getattr(plan, name).strip())
        if length > most:
            _add(found, f"{at}.{name}", f"{length} characters; at most {most} fit.")


def _check_resolution(
    plan: RequestPlan, wanted: ResolutionPlan, at: str, rules: Rules, found: Problems
) -> None:
    known = rules.wavelengths_of_objective.get(wanted.objective)
    if known is None:
        _add(found, f"{at}.objective", f"{wanted.objective} is not an objective of this facility.")
        return
    if stopped := rules.objectives_stopped.get(wanted.objective, ""):
        _add(found, f"{at}.objective", _stopped(wanted.objective, stopped, rules))
    strange = [c.wavelength for c in wanted.channels if c.wavelength not in known]
    if strange:
        _add(
            found,
            f"{at}.channels",
            f"The microscope of {wanted.objective} has no channel {', '.join(strange)}; "
            f"it has {', '.join(known)}.",
        )
    if not any(channel.purposes for channel in wanted.channels):
        _add(found, f"{at}.channels", f"Tick at least one channel at {wanted.objective}.")
    twice = [w for w, count in Counter(c.wavelength for c in wanted.channels).items() if count > 1]
    if twice:
        _add(found, f"{at}.channels", f"Channel {', '.join(twice)} is given twice; remove one.")
    unknown = {p for channel in wanted.channels for p in channel.purposes} - set(PURPOSES)
    if unknown:
        _add(found, f"{at}.channels", f"There is no purpose {', '.join(sorted(unknown))}.")
    if wanted.atlas and wanted.atlas not in rules.atlases:
        _add(found, f"{at}.atlas", f"{wanted.atlas} is not an atlas of this facility.")
    if wanted.final_orientation not in ORIENTATIONS:
        _add(found, f"{at}.final_orientation", f"Choose one of: {', '.join(ORIENTATIONS)}.")
    _check_lengths(wanted, LONGEST_OF_RESOLUTION, at, found)
    _check_purposes(plan, wanted, at, rules, found)


def _stopped(objective: str, why: str, rules: Rules) -> str:
    others = [o for o in rules.wavelengths_of_objective if o not in rules.objectives_stopped]
    choose = f"another objective, such as {others[0]}" if others else "another objective later"
    return (
        f"{objective} cannot be ordered now. {why}. Choose {choose}, or write to the facility; "
        "the draft is kept."
    )


def _check_purposes(
    plan: RequestPlan, wanted: ResolutionPlan, at: str, rules: Rules, found: Problems
) -> None:
    purposes = [p for channel in wanted.channels for p in channel.purposes]
    registering = purposes.count("registration")
    analysis = [p for p in purposes if p != "generic_imaging"]
    if registering > 1:
        _add(
            found, f"{at}.channels", f"Choose only one registration channel at {wanted.objective}."
        )
    registrable = rules.registrable.get(wanted.objective)
    unfit = [
        c.wavelength
        for c in wanted.channels
        if "registration" in c.purposes
        and registrable is not None
        and c.wavelength not in registrable
    ]
    if unfit:
        _add(
            found,
            f"{at}.channels",
            f"Channel {', '.join(unfit)} has too little autofluorescence to be registered; "
            f"use {' or '.join(sorted(registrable or ()))}.",
        )
    if registering and wanted.final_orientation != "sagittal":
        _add(
            found,
            f"{at}.final_orientation",
            "With registration the output is sagittal; choose sagittal.",
        )
    if analysis and rules.objectives_generic_only.get(wanted.objective, False):
        _add(
            found,
            f"{at}.channels",
            f"{wanted.objective} is for generic imaging only; untick the other purposes.",
        )
    elif analysis and rules.species_generic_only.get(plan.species, False):
        _add(
            found,
            f"{at}.channels",
            f"For {plan.species} only generic imaging is possible; untick the other purposes.",
        )
    elif analysis and not registering:
        _add(
            found,
            f"{at}.channels",
            "Detection needs a registration channel at the same objective; tick one.",
        )
