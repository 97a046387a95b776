"""Make the demo people, some life of the instruments, and as many requests as asked for."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from core_app import notices
from core_app.accounts import DEMO_PASSWORD
from core_app.models import User
from facility_app.bookings import seed_bookings
from facility_app.demo.instruments import seed_instruments
from facility_app.people import DEMO_LAB, DEMO_PEOPLE, seed_people
from requests_app.models import Request
from requests_app.plans import MOST_SAMPLES, ChannelPlan, RequestPlan, ResolutionPlan, SamplePlan
from requests_app.selectors.handoffs import open_days
from requests_app.services import requests
from requests_app.workflows import submit_request


class Command(BaseCommand):
    """Seed a site to try it out."""

    help = "Make the demo accounts (DEBUG only) and N submitted requests with M samples each."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--requests", type=int, default=0)
        parser.add_argument("--samples", type=int, default=3)

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo accounts have a known password, so they need DEBUG=1.")
        if not 1 <= options["samples"] <= MOST_SAMPLES:
            raise CommandError(f"--samples lies between 1 and {MOST_SAMPLES}.")
        people = seed_people()
        owner = people["researcher"]
        seed_instruments(people["imager"], today=timezone.localdate())
        seed_bookings(people)
        with notices.silenced():  # nobody asked for these, so nobody is told of them
            made = sum(
                _submit(owner, number, options["samples"])
                for number in range(1, options["requests"] + 1)
            )
        accounts = ", ".join(person.username for person in DEMO_PEOPLE)
        self.stdout.write(f"Accounts: {accounts}. Password: {DEMO_PASSWORD}. {made} new requests.")


def _submit(owner: User, number: int, samples: int) -> bool:
    name = f"seed-{number:05d}"
    if Request.objects.filter(owner=owner, name_key=name).exists():
        return False
    draft = requests.create_draft(owner=owner, by=owner)
    submit_request(draft, _plan(name, owner, samples), by=owner)
    return True


def _plan(name: str, owner: User, samples: int) -> RequestPlan:
    imaging = ResolutionPlan(
        "1.3x", (ChannelPlan("488", ("registration",)), ChannelPlan("647", ("cell_detection",)))
    )
    days = open_days(timezone.localdate(), count=10) or [timezone.localdate()]
    rows = [
        SamplePlan(
            name=f"{name}-{i:03d}",
            protocol="iDISCO abbreviated clearing",
            expected_handoff_date=days[i % len(days)],
            resolutions=(imaging,),
        )
        for i in range(1, samples + 1)
    ]
    return RequestPlan(
        name=name, description="Seeded to try the site out.", species="mouse",
        correspondence_email=owner.email, lab=DEMO_LAB, samples=tuple(rows),
    )  # fmt: skip
