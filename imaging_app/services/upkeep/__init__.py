"""Writes of upkeep: status and outages, parts, maintenance, swaps, calibrations, reminders.

An entry is handed in as a row that is not saved yet; `check` says beforehand what is wrong with it.
"""

from imaging_app.services.upkeep.checklists import CHECKLISTS, KINDS, checklist_of
from imaging_app.services.upkeep.checks import check
from imaging_app.services.upkeep.entries import (
    add_component,
    correct,
    install,
    log_maintenance,
    note_calibration,
    note_swap,
    remove,
    retire,
)
from imaging_app.services.upkeep.outages import end_outage, report_outage, set_status
from imaging_app.services.upkeep.reminders import remind_of_maintenance
from imaging_app.services.upkeep.writing import is_keeper, require_keeper

__all__ = [
    "CHECKLISTS", "KINDS", "add_component", "check", "checklist_of", "correct", "end_outage",
    "install", "is_keeper", "log_maintenance", "note_calibration", "note_swap",
    "remind_of_maintenance", "remove", "report_outage", "require_keeper", "retire", "set_status",
]  # fmt: skip
