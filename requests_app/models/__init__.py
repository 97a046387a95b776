"""Models of requests and clearing."""

from requests_app.models.antibodies import AntibodyTrial
from requests_app.models.calendar import HandoffDay, HandoffWeekday
from requests_app.models.clearing import (
    ClearingBatch,
    ClearingProtocol,
    ClearingStepLog,
    PlannedStep,
    ProtocolStep,
)
from requests_app.models.request import Request, Sample, Species, Subject

__all__ = [
    "AntibodyTrial",
    "ClearingBatch",
    "ClearingProtocol",
    "ClearingStepLog",
    "HandoffDay",
    "HandoffWeekday",
    "PlannedStep",
    "ProtocolStep",
    "Request",
    "Sample",
    "Species",
    "Subject",
]
