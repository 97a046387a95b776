"""Models of processing: requests, runs with their steps and attempts, products, atlases."""

from processing_app.models.products import Atlas, Product
from processing_app.models.requests import ProcessingRequest, ProcessingResolution
from processing_app.models.runs import Attempt, Run, Step, StepReport

__all__ = [
    "Atlas",
    "Attempt",
    "ProcessingRequest",
    "ProcessingResolution",
    "Product",
    "Run",
    "Step",
    "StepReport",
]
