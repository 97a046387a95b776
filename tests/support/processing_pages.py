"""Every page of processing with something on it, for what walks or looks at pages."""

from dataclasses import dataclass

from core_app.models import User
from processing_app.models import ProcessingRequest, QualitySheet
from processing_app.selectors.corrections import channels_to_correct
from processing_app.services import corrections, quality
from processing_app.services.corrections import Entered
from processing_app.states import QualityState
from requests_app.plans import ChannelPlan, ResolutionPlan
from tests.support import clusters, processed, scenarios

WITH_NOTES = (
    ResolutionPlan(
        "1.3x", (ChannelPlan("488", ("registration",)),), notes_for_processor="Mind the left bulb."
    ),
)


@dataclass(frozen=True, slots=True)
class Pages:
    """Addresses by what they show."""

    of: dict[str, str]


def build(owner: User, *, clearer: User, imager: User, processor: User) -> Pages:
    """Make samples in every state of processing, and return the pages of them."""
    hands = {"clearer": clearer, "imager": imager}
    atlas = processed.an_installed_atlas()

    def sample(name: str) -> ProcessingRequest:
        wanted = scenarios.a_sample_plan(f"{name.split()[0]}-01", resolutions=WITH_NOTES)
        plan = scenarios.a_plan(name, samples=(wanted,))
        return processed.a_ready_round(owner, **hands, plan=plan)

    waiting, failed, done = sample("otter cortex"), sample("heron midbrain"), sample("vole whole")
    processed.processed(failed, by=processor, work=clusters.fail_with("BAD_INPUT"))
    processed.processed(done, by=processor, atlas=atlas)
    scenarios.a_request_being_imaged(
        owner, **hands, plan=scenarios.a_plan("shrew", samples=(scenarios.a_sample_plan("s-1"),))
    )
    spim = processed.a_stitched_sample(owner, **hands)
    processed.a_stitched_sample(owner, **hands, is_stitched=False, name="spim later")
    for channel in channels_to_correct(spim)[:1]:
        entered = Entered(channel, "estimated", "", 8.0, 128.0)
        corrections.set_corrections(spim, [entered], by=processor)
    sheet = QualitySheet.objects.get(place__processing_request=done)
    quality.decide(sheet, QualityState.FAILED, by=processor, note="Half of it is out of focus.")
    return Pages(
        {
            "queue": "/processing/",
            "waiting": f"/processing/rounds/{waiting.pk}/",
            "failed": f"/processing/rounds/{failed.pk}/",
            "done": f"/processing/rounds/{done.pk}/",
            "log": f"/processing/rounds/{done.pk}/log/",
            "again": f"/processing/imaging/{done.imaging_request_id}/again/",
            "quality": f"/processing/quality/{sheet.pk}/",
            "correction-list": "/processing/correction/",
            "correction": f"/processing/correction/{spim.pk}/",
            "spim": f"/processing/rounds/{processed.a_round(spim).pk}/",
        }
    )
