"""What a person may say of a run that is made again."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.db.models import Q
from django.http import QueryDict

from core_app.errors import Invalid
from imaging_app.models import ImagingChannel
from processing_app.choices import Choice, choices_of
from processing_app.demands import Needs
from processing_app.models import Atlas, ChannelCorrection, Cluster, Profile, Run
from processing_app.plans import chosen_for
from processing_app.services.corrections import FIELDS, Entered
from processing_app.services.processing import LONGEST_NOTES
from processing_app.services.requests import PlaceWish
from processing_app.services.runs import Wishes

MOST_MEMORY_MB, MOST_MINUTES, MOST_CPUS = 16_000_000, 60 * 24 * 60, 4096
AS_USUAL = "As usual"


class ClusterField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker only
    """Clusters, each with what is the matter with it."""

    def label_from_instance(self, obj: Any) -> str:
        status = obj.status
        if status.paused_at:
            return f"{obj} (paused)"
        if status.frozen_at:
            return f"{obj} (frozen: {status.frozen_reason})"
        return f"{obj} (gives no answer)" if status.silent_since else str(obj)


class ProfileField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker only
    """Profiles of all clusters, each with its cluster and limits."""

    def label_from_instance(self, obj: Any) -> str:
        most = [
            f"up to {obj.most_memory_mb} MB" if obj.most_memory_mb else "",
            f"{obj.most_minutes} minutes" if obj.most_minutes else "",
        ]
        limits = ", ".join(filter(None, most))
        return f"{obj.cluster}: {obj.name} ({limits})" if limits else f"{obj.cluster}: {obj.name}"


class AgainForm(forms.Form):
    """Where and with what the new run works. Judged by the service; the form only reads it."""

    cluster = ClusterField(queryset=Cluster.objects.none(), empty_label=None, label="Cluster")
    profile = ProfileField(
        queryset=Profile.objects.none(), required=False, label="Profile", empty_label=AS_USUAL,
        help_text="Sets partition, account and limits for every step.",
    )  # fmt: skip
    memory_mb = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_MEMORY_MB, label="Memory of each job (MB)",
        help_text="Empty: as usual. It grows by itself if a job runs out of it.",
    )  # fmt: skip
    minutes = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_MINUTES, label="Time of each job (minutes)",
        help_text="Empty: as usual.",
    )  # fmt: skip
    cpus = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_CPUS, label="Cores of each job",
        help_text="Empty: as usual.",
    )  # fmt: skip

    def __init__(self, data: QueryDict | None, *, run: Run) -> None:
        super().__init__(data, initial=_initial(run))
        self.run = run
        _offer(self.fields["cluster"], Cluster.objects.select_related("status"))
        _offer(self.fields["profile"], Profile.objects.select_related("cluster"))
        for choice in choices_of(run.pipeline):
            self.fields[choice.key] = _field_of(choice)

    def wishes(self) -> Wishes:
        """Return what was typed."""
        typed = self.cleaned_data
        return Wishes(
            cluster=typed["cluster"],
            profile=typed["profile"],
            needs=Needs(typed["cpus"] or 0, typed["memory_mb"] or 0, typed["minutes"] or 0),
            chosen={choice.key: typed[choice.key] for choice in choices_of(self.run.pipeline)},
        )

    def show(self, refusal: Invalid) -> None:
        """Put what the service found wrong beside the fields."""
        for name, words in refusal.fields.items():
            for word in words:
                self.add_error(name if name in self.fields else None, word)
        if not refusal.fields:
            self.add_error(None, refusal.message)

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """Return the fields in the groups of the page."""
        where, amounts = ["cluster", "profile"], ["memory_mb", "minutes", "cpus"]
        own = [choice.key for choice in choices_of(self.run.pipeline)]
        for title, names in (
            ("Where", where), ("What each job asks for", amounts), ("How", own),
        ):  # fmt: skip
            if names:
                yield title, [self[name] for name in names]


class AtlasField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic for the checker only
    """Atlases, each with whether it is installed here."""

    def label_from_instance(self, obj: Any) -> str:
        is_here = obj.template_path and obj.annotation_path and obj.structure_tree_path
        return str(obj) if is_here else f"{obj} (not installed here)"


class WishForm(forms.Form):
    """What is wanted of one objective and side. An atlas is asked for where something registers."""

    atlas = AtlasField(
        queryset=Atlas.objects.none(), required=False, label="Atlas", empty_label="No registration",
    )  # fmt: skip
    final_orientation = forms.ChoiceField(
        choices=ImagingChannel.Orientation.choices, label="Output orientation",
        help_text="How results lie that are not registered; registered ones lie as the atlas does.",
    )  # fmt: skip
    notes = forms.CharField(
        required=False, max_length=LONGEST_NOTES, label="Notes", strip=True,
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip

    def __init__(
        self, data: QueryDict | None, *, prefix: str, wish: PlaceWish, registers: bool, notes: str
    ) -> None:
        first = {"atlas": wish.atlas, "final_orientation": wish.final_orientation}
        super().__init__(data, prefix=prefix, initial={**first, "notes": wish.notes})
        self.kept = wish.atlas
        self.fields["notes"].label = notes
        if registers:
            kept = Q(pk=wish.atlas.pk) if wish.atlas else Q()
            _offer(self.fields["atlas"], Atlas.objects.filter(Q(is_offered=True) | kept))
        else:
            del self.fields["atlas"]

    def wish(self) -> PlaceWish:
        """Return what was typed; without a channel to register the atlas stays as it was."""
        typed = self.cleaned_data
        atlas = typed["atlas"] if "atlas" in self.fields else self.kept
        return PlaceWish(atlas, typed["final_orientation"], typed["notes"])


class CorrectionForm(forms.Form):
    """How one channel is corrected. Judged by the service; the form only reads it."""

    flat_from = forms.ChoiceField(
        choices=ChannelCorrection.FlatFrom.choices, label="Flat field",
        help_text="Evens out what the light sheet lights unevenly.",
    )  # fmt: skip
    flat_name = forms.CharField(
        required=False, label="Name of the file",
        help_text="Beside the planes, flat.tiff for example. Read for “a file beside the planes” "
        "alone.",
    )  # fmt: skip
    sigma_foreground = forms.FloatField(
        min_value=0, label="Stripes in the tissue (pixels)",
        help_text="How wide the darkest stripes are. 0 leaves them; too wide a value eats "
        "structure.",
    )  # fmt: skip
    sigma_background = forms.FloatField(
        min_value=0, label="Stripes outside (pixels)",
        help_text="The same where there is no tissue; usually wider.",
    )  # fmt: skip

    def __init__(self, data: QueryDict | None, *, channel: ImagingChannel) -> None:
        known = getattr(channel, "correction", None) or ChannelCorrection(channel=channel)
        first = {name: getattr(known, name) for name in FIELDS}
        super().__init__(data, prefix=str(channel.pk), initial=first)
        self.channel, self.known = channel, known

    def entered(self) -> Entered:
        """Return what was typed."""
        return Entered(self.channel, **self.cleaned_data)


def _initial(run: Run) -> dict[str, Any]:
    """Begin with what the run had, so that one thing can be changed."""
    asked = Needs.of(next((step.resources for step in run.steps.all()), {}))
    return {
        "cluster": run.cluster_id,
        "profile": run.profile_id,
        "memory_mb": asked.memory_mb or None,
        "minutes": asked.minutes or None,
        "cpus": asked.cpus or None,
        **chosen_for(run),
    }


def _offer(field: forms.Field, rows: Any) -> None:
    field.queryset = rows  # type: ignore[attr-defined]  # a ModelChoiceField


def _field_of(choice: Choice) -> forms.ChoiceField:
    return forms.ChoiceField(choices=choice.values, label=choice.label, help_text=choice.help)
