"""Models of requests and clearing."""

from requests_app.models.clearing import (
    ClearingBatch,
    ClearingProtocol,
    ClearingStepLog,
    ProtocolStep,
)
from requests_app.models.request import Request, Sample, Species, Subject

__all__ = [
    "ClearingBatch",
    "ClearingProtocol",
    "ClearingStepLog",
    "ProtocolStep",
    "Request",
    "Sample",
    "Species",
    "Subject",
]
