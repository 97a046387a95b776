"""What the sample grid offers, as plain values for a data block."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.utils import timezone

from imaging_app.models import Objective
from imaging_app.selectors import offered_objectives
from imaging_app.selectors.instruments import objective_notices
from processing_app.models import Atlas
from processing_app.services.requests import is_processable
from requests_app import selectors
from requests_app.models import Species
from requests_app.plans import (
    LONGEST_OF_RESOLUTION,
    LONGEST_OF_SAMPLE,
    MOST_OBJECTIVES,
    MOST_SAMPLES,
    ORIENTATIONS,
    PURPOSES,
)
from requests_app.selectors.handoffs import days_from, handoff_days

PURPOSE_LABELS = {
    "registration": "Register",
    "injection_detection": "Injection",
    "probe_detection": "Probe",
    "cell_detection": "Cells",
    "generic_imaging": "Just image",
}
PURPOSE_HELP = {
    "registration": "Aligned to the atlas. One channel is enough; 488 shows the tissue best.",
    "injection_detection": "Finds the injection site. Needs a registration channel.",
    "probe_detection": "Finds the track of a probe. Needs a registration channel.",
    "cell_detection": "Finds cells. Needs a registration channel.",
    "generic_imaging": "Imaged for none of these purposes.",
}
DAYS_AHEAD = 180


# Where registration is ticked from the beginning, for a mouse: in a new request, and in a further
# round of one, where the people who ask know what was registered before.
PRESET_OBJECTIVES = ("1.3x",)
PRESET_OBJECTIVES_AGAIN = ("1.1x", "1.3x")


def options() -> dict[str, Any]:
    """Return everything the grid may offer, in a few queries whatever the size of the draft."""
    imaging = imaging_options(PRESET_OBJECTIVES)
    return imaging | {
        "protocols": [
            {
                "name": p.name,
                "title": p.title,
                "species": [s.name for s in p.species.all()],
                "needs_antibody": p.needs_antibody,
                # A protocol without steps of its own leaves open what is done.
                "takes_antibody": p.needs_antibody or p.needs_link,
            }
            for p in selectors.offered_protocols()
        ],
        "days": closed_days(timezone.localdate()),
        "limits": imaging["limits"] | LONGEST_OF_SAMPLE,
    }


def imaging_options(preset: Sequence[str]) -> dict[str, Any]:
    """Return what the imaging of a sample may be; registration is ticked at once at `preset`."""
    return {
        "generic_only_species": [s.name for s in Species.objects.all() if s.only_generic_imaging],
        "microscopes": _microscopes(list(offered_objectives())),
        "purposes": [
            {"name": p, "label": PURPOSE_LABELS[p], "help": PURPOSE_HELP[p]} for p in PURPOSES
        ],
        "atlases": list(Atlas.objects.filter(is_offered=True).values("name", "label")),
        "orientations": list(ORIENTATIONS),
        "preset_objectives": list(preset),
        "limits": {
            "samples": MOST_SAMPLES,
            "objectives": MOST_OBJECTIVES,
            "name": 64,
            "subject": 64,
            **LONGEST_OF_RESOLUTION,
        },
    }


def _microscopes(objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    notices = objective_notices(objectives, timezone.now())
    groups: dict[int, dict[str, Any]] = {}
    for objective in objectives:
        scope, notice = objective.microscope, notices.get(objective.name)
        about = {
            "label": scope.label,
            "notice": notice.text if notice else "",
            "is_stopped": bool(notice and notice.is_refused),
            "objectives": [],
        }
        group = groups.setdefault(scope.pk, about)
        group["objectives"].append(_objective(objective))
    return list(groups.values())


def _objective(objective: Objective) -> dict[str, Any]:
    return {
        "name": objective.name,
        "implies": implies(objective),
        "generic_only": objective.only_generic_imaging,
        "is_processed": is_processable(objective),
        "channels": [
            {"name": w.name, "may_register": w.may_register}
            for w in objective.microscope.wavelengths.all()
        ],
    }


def implies(objective: Objective) -> str:
    """Return what choosing an objective means: `5.0 µm pixels, can be registered`."""
    is_looked_at = objective.only_generic_imaging or not is_processable(objective)
    use = "for viewing only" if is_looked_at else "can be registered"
    return f"{float(f'{objective.pixel_um():.4g}')} µm pixels, {use}"


def closed_days(first: date) -> dict[str, dict[str, Any]]:
    """Return the days ahead that take only some samples or none, for the hand-off field."""
    days = handoff_days(days_from(first, DAYS_AHEAD))
    return {
        str(day.day): {"left": day.left, "note": day.note}
        for day in days.values()
        if day.left is not None
    }
