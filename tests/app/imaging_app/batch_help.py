"""A batch of two samples, and words for its channels."""

from imaging_app import selectors, workflows
from imaging_app.edits import AddChannel, AddTwin, ChangeObjective, Place, RemoveChannel
from imaging_app.models import ImagingBatch, ImagingRequest, Objective, Wavelength
from imaging_app.selectors import batches
from imaging_app.services.channels import Acquisition, seen_of, set_channels
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.support.scenarios import a_plan, a_request_being_imaged, a_sample_plan

TWO_LINES = ResolutionPlan(
    "1.3x",
    (ChannelPlan("488", ("registration",)), ChannelPlan("555", ("cell_detection",))),
    notes_for_imager="mind the bubble",
)
ONLY_LOOKED_AT = ResolutionPlan("2x", (ChannelPlan("488", ("generic_imaging",)),))


def a_batch(
    researcher, clearer, imager, *, wanted=(TWO_LINES,), names=("s1", "s2"), request="first brains"
):
    """Return a batch in progress with these samples."""
    plan = a_plan(
        request, samples=[a_sample_plan(name, resolutions=tuple(wanted)) for name in names]
    )
    first = a_request_being_imaged(researcher, clearer=clearer, imager=imager, plan=plan)
    return ImagingBatch.objects.get(pk=first.batch_id)


def sample(name):
    """Return the first round of imaging of a sample, as somebody else's page read it."""
    return ImagingRequest.objects.get(sample__name=name, number=1)


def channels(name):
    """Return the channels of a sample in words."""
    return [batches.words_of(channel) for channel in selectors.channels_of(sample(name))]


def channel(name, words):
    """Return one channel of a sample by its words."""
    (found,) = [c for c in selectors.channels_of(sample(name)) if batches.words_of(c) == words]
    return found


def place(words):
    """Return the place of "488 at 1.3x" or "488 ventral up at 1.3x"."""
    line, _, objective = words.replace(" ventral up", "").partition(" at ")
    found = Objective.objects.get(name=objective)
    wavelength = Wavelength.objects.get(microscope=found.microscope, name=line)
    return Place(found.pk, wavelength.pk, "ventral up" in words)


def adding(words, *purposes):
    return AddChannel(place(words), purposes or ("generic_imaging",))


def removing(words):
    return RemoveChannel(place(words))


def twin_of(words):
    return AddTwin(place(words))


def changing(before, after):
    return ChangeObjective(
        Objective.objects.get(name=before).pk, Objective.objects.get(name=after).pk
    )


def seen(*names):
    """Return what a form that shows these samples carries."""
    return seen_of(c for name in names for c in selectors.channels_of(sample(name)))


def entered(name, words, *, by, **otherwise):
    """Enter folder and planes of one channel."""
    values = {"raw_subfolder": "run_1", "z_planes": 657, "z_step_um": 10.0, **otherwise}
    set_channels(sample(name), {channel(name, words).pk: Acquisition(**values)}, by=by)


def skipped(name, *, by):
    workflows.skip_sample(sample(name), by=by, reason="It broke.")
