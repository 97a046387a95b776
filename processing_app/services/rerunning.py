"""Run again with other parameters: another cluster, more memory, another choice of the pipeline."""

from collections import defaultdict
from typing import Final

from django.db import transaction

from core_app.errors import Invalid, NotAllowed, NotReady
from core_app.models import User
from core_app.roles import Action, can
from processing_app import choices, plans
from processing_app.cluster.config import LOCAL, MEMORY
from processing_app.demands import Needs
from processing_app.models import Attempt, Cluster, Profile, Run, Step
from processing_app.services import clusters, runs
from processing_app.services.demands import Demands
from processing_app.services.handing_in import given_up
from processing_app.services.runs import Wishes
from requests_app.models import Request

_AMOUNTS: Final = {
    "memory_mb": "{most} MB of memory",
    "minutes": "{most} minutes",
    "cpus": "{most} cores",
}


def run_again(run: Run, wishes: Wishes, *, by: User) -> Run:
    """Make a new run of the same kind with what this person wants, and return it.

    Raises NotAllowed, NotReady (another run is newer, or imaging is open) and Invalid, whose fields
    are those of Wishes: cluster, profile, cpus, memory_mb, minutes, and choices by their keys.
    """
    if not can(by, Action.PROCESS, run.imaging_request.sample.request):
        raise NotAllowed("Only processing staff may run a pipeline again.")
    with transaction.atomic():
        runs.hold(run.imaging_request_id)
        Request.objects.select_for_update().get(pk=run.root_id)
        run = runs.locked(run.pk)
        obstacle = plans.obstacle_to_repeat(run)
        if obstacle:
            raise NotReady(obstacle)
        wishes = _checked(run, wishes)
        return runs.run_again(run, wishes, by=by, note=_note(run, wishes))


def warnings_of(made: Run) -> list[str]:
    """Return what a person should know who has just had a run made."""
    found = []
    status = clusters.status_of(made.cluster.name)
    if status.frozen_at:
        found.append(
            f"The cluster {made.cluster} is frozen ({status.frozen_reason}). The run begins when "
            "it is unfrozen."
        )
    if status.paused_at:
        found.append(f"The cluster {made.cluster} is paused. The run begins when it is resumed.")
    return [*found, *_left_elsewhere(made)]


def _left_elsewhere(made: Run) -> list[str]:
    """A job that was given up on another cluster cannot be stopped from the new one."""
    rows = Attempt.objects.filter(
        given_up(), step__run__imaging_request=made.imaging_request_id,
        step__run__pipeline=made.pipeline, step__run__lt=made.pk,
    ).exclude(job_id="").exclude(step__run__cluster=made.cluster_id)  # fmt: skip
    jobs: dict[str, list[str]] = defaultdict(list)
    for name, job_id in rows.values_list("step__run__cluster__name", "job_id"):
        jobs[name].append(job_id)
    return [
        f"On the cluster {name} jobs of earlier runs were given up without proof that they ended. "
        f"See to it that they are gone: {', '.join(ids)}."
        for name, ids in jobs.items()
    ]


def _checked(run: Run, wishes: Wishes) -> Wishes:
    """Return the wishes made complete, or raise Invalid with all that is wrong."""
    cluster = wishes.cluster or clusters.choose(run.pipeline)
    problems: dict[str, list[str]] = {}
    if not cluster.takes(run.pipeline):
        problems["cluster"] = [
            f"The cluster {cluster} takes no new runs of the pipeline {run.pipeline}. "
            f"{_takers(run.pipeline)}"
        ]
    if wishes.profile and wishes.profile.cluster_id != cluster.pk:
        problems["profile"] = [
            f"It belongs to the cluster {wishes.profile.cluster}. Choose one of {cluster}."
        ]
    else:
        problems |= _too_much(run, cluster, wishes)
    problems |= _unknown_choices(run.pipeline, wishes)
    if problems:
        raise Invalid("The run cannot be made so.", fields=problems)
    chosen = choices.completed(run.pipeline, wishes.chosen)
    return Wishes(cluster, wishes.profile, wishes.needs, chosen)


def _takers(pipeline: str) -> str:
    names = [str(row) for row in Cluster.objects.all() if row.takes(pipeline)]
    return f"These do: {', '.join(names)}." if names else "No other does."


def _too_much(run: Run, cluster: Cluster, wishes: Wishes) -> dict[str, list[str]]:
    """Return what is more than any of the run's steps may have there."""
    if clusters.kind_of(cluster) in {LOCAL, MEMORY}:
        return {}
    most = _most(run, cluster, wishes.profile)
    return {
        name: [
            f"At most {words.format(most=limit)} there. Ask for less, or choose another profile."
        ]
        for name, words in _AMOUNTS.items()
        if (limit := getattr(most, name)) and getattr(wishes.needs, name) > limit
    }


def _most(run: Run, cluster: Cluster, profile: Profile | None) -> Needs:
    """Return the largest limits of its steps; 0 where any of them has none."""
    amounts, imagined = Demands(), Run(cluster=cluster, profile=profile)
    names = set(run.steps.values_list("name", flat=True))
    limits = [amounts.most(Step(name=name), imagined) for name in names] or [Needs()]
    return Needs(
        **{
            name: 0 if any(not getattr(one, name) for one in limits)
            else max(getattr(one, name) for one in limits)
            for name in _AMOUNTS
        }
    )  # fmt: skip


def _unknown_choices(pipeline: str, wishes: Wishes) -> dict[str, list[str]]:
    known = {choice.key: dict(choice.values) for choice in choices.choices_of(pipeline)}
    return {
        key: ["The pipeline has no such choice."]
        for key, value in wishes.chosen.items()
        if value not in known.get(key, {})
    }


def _note(run: Run, wishes: Wishes) -> str:
    """Return the sentence for the history of the new run."""
    needs = wishes.needs
    asked = [
        f"on {wishes.cluster}",
        f"profile {wishes.profile.name}" if wishes.profile else "",
        f"{needs.memory_mb} MB of memory" if needs.memory_mb else "",
        f"{needs.minutes} minutes" if needs.minutes else "",
        f"{needs.cpus} cores" if needs.cpus else "",
        *choices.in_words(run.pipeline, wishes.chosen),
    ]
    return f"again instead of run {run.pk}: {', '.join(filter(None, asked))}"
