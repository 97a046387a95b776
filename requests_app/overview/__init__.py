"""Where is my brain? Reads that span the apps: strips, lists, one request, who is needed."""

from requests_app.overview.details import (
    SampleDetail,
    details_of,
    is_moving,
    stamp_of,
    viewable_words,
)
from requests_app.overview.lists import (
    Asked,
    asked_of_requests,
    asked_of_samples,
    listed_requests,
    listed_samples,
)
from requests_app.overview.needs import Need, Queue, needs_of, queues_of
from requests_app.overview.places import Place, samples_at, with_fractions
from requests_app.overview.rows import (
    Counts,
    Round,
    Row,
    SampleRow,
    draft_summary,
    next_action_of,
    rows_of,
    sample_rows_of,
    with_samples,
)
from requests_app.overview.strips import (
    Sight,
    Stage,
    facts_of,
    joint_strip,
    sights_of,
    strip_in_words,
    strips_of,
    summary_of,
)
from requests_app.overview.timeline import Entry, timeline_of

__all__ = [
    "Asked",
    "Counts",
    "Entry",
    "Need",
    "Place",
    "Queue",
    "Round",
    "Row",
    "SampleDetail",
    "SampleRow",
    "Sight",
    "Stage",
    "asked_of_requests",
    "asked_of_samples",
    "details_of",
    "draft_summary",
    "facts_of",
    "is_moving",
    "joint_strip",
    "listed_requests",
    "listed_samples",
    "needs_of",
    "next_action_of",
    "queues_of",
    "rows_of",
    "sample_rows_of",
    "samples_at",
    "sights_of",
    "stamp_of",
    "strip_in_words",
    "strips_of",
    "summary_of",
    "timeline_of",
    "viewable_words",
    "with_fractions",
    "with_samples",
]
