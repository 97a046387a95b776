"""Reads of processing. Every one that a page uses takes the person."""

from processing_app.selectors.attempts import AttemptView, fraction_of, seconds_left
from processing_app.selectors.clusters import ClusterTrouble, clusters_with_runs, troubles
from processing_app.selectors.corrections import unstitched
from processing_app.selectors.logs import FollowedLog, attempt_of_run, followed_log, log_of
from processing_app.selectors.products import (
    channels_with_products,
    current_products,
    is_current,
    products_of,
)
from processing_app.selectors.rounds import get_round
from processing_app.selectors.runs import (
    active_run_of,
    due_attempts,
    get_run,
    is_being_checked,
    reports_to_take_in,
    visible_runs,
    with_steps,
)
from processing_app.selectors.views import RunView, StepView, latest_run, overview, whole_view

__all__ = [
    "AttemptView",
    "ClusterTrouble",
    "FollowedLog",
    "RunView",
    "StepView",
    "active_run_of",
    "attempt_of_run",
    "channels_with_products",
    "clusters_with_runs",
    "current_products",
    "due_attempts",
    "followed_log",
    "fraction_of",
    "get_round",
    "get_run",
    "is_being_checked",
    "is_current",
    "latest_run",
    "log_of",
    "overview",
    "products_of",
    "reports_to_take_in",
    "seconds_left",
    "troubles",
    "unstitched",
    "visible_runs",
    "whole_view",
    "with_steps",
]
