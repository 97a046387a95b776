"""Models of instruments and imaging."""

from imaging_app.models.imaging import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
    RawDelivery,
)
from imaging_app.models.instruments import Microscope, Objective, Wavelength

__all__ = [
    "ImagingBatch",
    "ImagingChannel",
    "ImagingRequest",
    "ImagingResolution",
    "Microscope",
    "Objective",
    "RawDelivery",
    "Wavelength",
]
