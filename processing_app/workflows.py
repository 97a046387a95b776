"""Use cases that begin with processing and reach further: runs, up to what people can open."""

from datetime import timedelta

from django.db import transaction

from core_app.models import User
from imaging_app.workflows import take_in_reports
from processing_app.cluster import open_cluster
from processing_app.models import Run
from processing_app.services import driving, runs
from processing_app.services.driving import TickSummary
from requests_app.models import Request
from requests_app.services import requests
from requests_app.states import RequestState
from viewers_app.services import layers
from viewers_app.workflows import tell_what_became_viewable


def drive(budget: timedelta) -> TickSummary:
    """Move every due attempt on once, take in what checks found, make new products viewable.

    People are told what they can look at. Safe to repeat.
    """
    with open_cluster() as cluster:
        summary = driving.tick(cluster, budget=budget)
    take_in_reports()
    summary.published = layers.publish_new_products()
    tell_what_became_viewable()
    return summary


def retry_run(run: Run, *, by: User) -> None:
    """Go on with a failed or cancelled run; a request that was closed is open again with it."""
    with transaction.atomic():
        runs.retry_run(run, by=by)
        request = Request.objects.get(pk=run.root_id)
        if request.state == RequestState.CLOSED:
            requests.reopen(request, by=by, note=f"{run} is retried.")
