"""Models of instruments and imaging."""

from imaging_app.models.bookings import Booking
from imaging_app.models.deliveries import DeliveryWaiver, RawDelivery
from imaging_app.models.imaging import (
    ImagingBatch,
    ImagingChannel,
    ImagingRequest,
    ImagingResolution,
)
from imaging_app.models.instruments import Microscope, Objective, Wavelength
from imaging_app.models.upkeep import (
    Calibration,
    Component,
    ComponentInstallation,
    MaintenanceEntry,
    ObjectiveSwap,
    Outage,
)

__all__ = [
    "Booking",
    "Calibration",
    "Component",
    "ComponentInstallation",
    "DeliveryWaiver",
    "ImagingBatch",
    "ImagingChannel",
    "ImagingRequest",
    "ImagingResolution",
    "MaintenanceEntry",
    "Microscope",
    "Objective",
    "ObjectiveSwap",
    "Outage",
    "RawDelivery",
    "Wavelength",
]
