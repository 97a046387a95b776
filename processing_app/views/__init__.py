"""Pages of processing."""

from processing_app.views.again import run_again
from processing_app.views.corrections import correction, correction_list
from processing_app.views.logs import download, follow, tail
from processing_app.views.new_round import round_new
from processing_app.views.quality import made_file, quality_decide, quality_sheet
from processing_app.views.queue import queue
from processing_app.views.round_log import round_log
from processing_app.views.rounds import (
    round_enter,
    round_page,
    round_set_aside,
    round_want_again,
)
from processing_app.views.runs import cancel, retry, run_detail, run_list, run_live

__all__ = [
    "cancel",
    "correction",
    "correction_list",
    "download",
    "follow",
    "made_file",
    "quality_decide",
    "quality_sheet",
    "queue",
    "retry",
    "round_enter",
    "round_log",
    "round_new",
    "round_page",
    "round_set_aside",
    "round_want_again",
    "run_again",
    "run_detail",
    "run_list",
    "run_live",
    "tail",
]
