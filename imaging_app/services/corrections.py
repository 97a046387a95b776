"""Write what staff correct of imaging, with what it was and what it is."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from core_app import roles
from core_app.models import User
from core_app.roles import Role
from core_app.transitions import record
from imaging_app.models import ImagingRequest
from imaging_app.services.guards import require
from requests_app.services.corrections import CORRECTED, write_corrections

OF_IMAGING_REQUEST = frozenset({"notes_from_imaging"})


def correct_imaging(
    imaging_request: ImagingRequest, values: Mapping[str, Any], *, by: User, seen: int | None = None
) -> None:
    """Correct the notes from imaging; how channels were acquired is corrected on their page."""
    require(
        roles.has_role(by, Role.IMAGER, Role.MANAGER),
        "Only imaging staff and managers correct imaging.",
    )
    with transaction.atomic():
        said = write_corrections(imaging_request, values, OF_IMAGING_REQUEST, seen=seen)
        if said:
            record(imaging_request, CORRECTED, by=by, note=said)
