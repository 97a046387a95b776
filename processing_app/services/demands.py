"""What the attempts of a step ask for: the code's needs, what operators and people said, growth."""

from collections.abc import Sequence
from functools import cached_property

from pipeline import needs
from pipeline.contract import CONTRACT_VERSION, StepSpec
from pipeline.errors import StepFailed
from processing_app import demands
from processing_app.cluster.config import LOCAL, MEMORY
from processing_app.cluster.ports import Resources
from processing_app.demands import Frame, Needs
from processing_app.failures import failure_of
from processing_app.models import Attempt, Profile, Run, Step, StepResources
from processing_app.services import clusters


class Demands:
    """Profiles and rows of all clusters, read once for many steps."""

    @cached_property
    def _rows(self) -> dict[tuple[int, str], StepResources]:
        rows = StepResources.objects.select_related("profile")
        return {(row.cluster_id, row.step): row for row in rows}

    @cached_property
    def _usual(self) -> dict[int, Profile]:
        return {row.cluster_id: row for row in Profile.objects.filter(is_usual=True)}

    def of(self, step: Step, run: Run) -> Resources:
        """Return what the first attempt at a step asks for."""
        if clusters.kind_of(run.cluster) in {LOCAL, MEMORY}:
            return Resources(cpus=clusters.config_of(run.cluster).threads)
        row = self._rows.get((run.cluster_id, step.name))
        said = Needs.of(step.resources)
        if row is not None:
            said = said.over(Needs(row.cpus, row.memory_mb, row.minutes))
        frame = self._frame(step, run)
        wanted = said.over(frame.usual)
        usual = demands.OF_STEPS.get(step.name, demands.OF_OTHERS)
        cpus = demands.resources_for(wanted.over(usual), frame).cpus
        return demands.resources_for(wanted.over(_foreseen(step, cpus)).over(usual), frame)

    def most(self, step: Step, run: Run) -> Needs:
        """Return the most that attempts at the step may ask for; 0 is no limit known."""
        return self._frame(step, run).most

    def profile_of(self, step: Step, run: Run) -> Profile | None:
        """Return the profile that holds: of the run, else of the step's row, else the usual one."""
        row = self._rows.get((run.cluster_id, step.name))
        return run.profile or (row.profile if row else None) or self._usual.get(run.cluster_id)

    def _frame(self, step: Step, run: Run) -> Frame:
        profile = self.profile_of(step, run)
        return frame_of(profile) if profile else Frame()


def _foreseen(step: Step, cpus: int) -> Needs:
    """Return the memory that the step will take with so many cores, as far as that can be told."""
    if not step.plane_yx or not needs.is_known(step.name):
        return Needs()
    spec = StepSpec(
        contract=CONTRACT_VERSION,
        step=step.name,
        name=step.key,
        version="",
        inputs=step.inputs,
        parameters=step.parameters,
        outputs=step.outputs,
        threads=cpus,
        tasks=step.tasks,
    )
    height, width = step.plane_yx
    try:
        peak = needs.peak_bytes(spec, (height, width))
    except StepFailed:
        return Needs()  # what is wrong with the specification is for the step to say
    return Needs(memory_mb=demands.memory_for(peak))


def frame_of(profile: Profile) -> Frame:
    """Return what a profile says."""
    return Frame(
        partition=profile.partition,
        account=profile.account,
        qos=profile.qos,
        options=tuple(profile.options.split()),
        usual=Needs(profile.cpus, profile.memory_mb, profile.minutes),
        most=Needs(profile.most_cpus, profile.most_memory_mb, profile.most_minutes),
    )


def growth(step: Step, tried: Sequence[Attempt], amounts: Demands) -> tuple[int, int]:
    """Return what the last of these attempts asked of what it lacked, and what the next may ask.

    Zeros where its failure has nothing to do with an amount.
    """
    grows = failure_of(tried[-1].reason).grows if tried else ""
    if not grows:
        return 0, 0
    asked = [getattr(demands.read(attempt.resources), grows) for attempt in tried]
    most = getattr(amounts.most(step, step.run), grows)
    return asked[-1], demands.grown(asked[-1], first=asked[0], most=most)
