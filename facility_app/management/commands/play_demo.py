"""Play one request from intake to a viewable volume, then serve the site."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from core_app.accounts import DEMO_PASSWORD
from core_app.errors import DomainError, OutsideError
from core_app.models import User
from facility_app.demo import play, proof, raw, serving
from facility_app.demo.instruments import seed_instruments
from facility_app.people import DEMO_PEOPLE, seed_people
from imaging_app.models import ImagingRequest
from processing_app.models import Attempt, Run
from processing_app.pipelines import LIGHTSHEET, RAW
from processing_app.states import RunState
from requests_app.models import Request


class Command(BaseCommand):
    """The demo of `make demo`."""

    help = "Play one request from intake to a viewable volume; then serve the site until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-serve", action="store_true", help="stop after the play; exit 0 if viewable"
        )
        parser.add_argument(
            "--raw", type=Path, help="a folder of single-plane TIFFs instead of the phantom"
        )
        parser.add_argument("--voxel", default="", help="voxel size z,y,x in µm; goes with --raw")
        parser.add_argument(
            "--orientation", default="horizontal", choices=["horizontal", "coronal", "sagittal"]
        )
        parser.add_argument("--cluster", default="", help="name of another cluster setting")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("The demo makes accounts with a known password: it needs DEBUG=1.")
        if connection.vendor != "sqlite":
            raise CommandError("The demo plays on SQLite only; unset DATABASE_URL.")
        self.console = Console(stderr=False, soft_wrap=True)
        try:
            self._run(options)
        except KeyboardInterrupt:
            self.console.print("Stopped. `make demo` goes on from here.")
        except (DomainError, OutsideError) as problem:
            raise CommandError(str(problem)) from problem

    def _run(self, options: dict[str, Any]) -> None:
        if options["cluster"] and options["cluster"] != settings.CLUSTER:
            raise CommandError(
                f"The settings say CLUSTER={settings.CLUSTER}. Set CLUSTER={options['cluster']} "
                "and what belongs to it (docs/settings.md) in the environment, then run it again."
            )
        if urlsplit(settings.SITE_URL).port != urlsplit(settings.VIEWER_URL).port:
            raise CommandError(
                "The demo serves both origins on one port: set SITE_URL=http://localhost:PORT and "
                "VIEWER_URL=http://127.0.0.1:PORT with the same PORT."
            )
        data = _data_of(options)
        self._prepare()
        people = seed_people()
        seed_instruments(people["imager"], today=timezone.localdate())
        with contextlib.nullcontext() if options["no_serve"] else serving.running_site():
            if not options["no_serve"]:
                self.console.print(
                    f"[bold]Watch it[/] at {settings.SITE_URL} as [bold]researcher[/], "
                    f"password {DEMO_PASSWORD}"
                )
            request = self._play(people, data)
            self._show(request, people["researcher"])
            if not options["no_serve"]:
                self._serve()

    def _prepare(self) -> None:
        self.console.print("[bold]Preparing[/] the database and the storage")
        settings.DATA_ROOT.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0, interactive=False)
        call_command("setup_schedules", stdout=self.stdout)
        call_command("import_atlas", phantom=True, stdout=self.stdout)
        if settings.CLUSTER.startswith("slurm-"):
            self.console.print(
                f"[bold]Deploying[/] the pipeline to the cluster ({settings.CLUSTER})"
            )
            call_command("deploy_pipeline", cluster="default", stdout=self.stdout)

    def _play(self, people: dict[str, User], data: raw.DemoData) -> Request:
        with _bars(self.console) as bars:
            request = play.submit(people, data)
            self.console.print(
                f"[bold]researcher[/] submitted “{request.name}”: "
                f"{settings.SITE_URL}/requests/researcher/{request.folder.name}/"
            )
            self._clear(bars, request, people)
            imaging_request = play.imaging_request_of(request)
            self._image(bars, imaging_request, data, people)
            self._process(bars, imaging_request, RAW)
            self._analyse(bars, imaging_request, data, people)
        play.finish(request)
        return request

    def _clear(self, bars: Progress, request: Request, people: dict[str, User]) -> None:
        bar = bars.add_task("clearer: clearing steps", total=None)
        for _label, done, total in play.clear(request, people):
            bars.update(bar, completed=done, total=total)
        bars.update(bar, completed=bars.tasks[bar].total or 1, total=bars.tasks[bar].total or 1)

    def _image(
        self,
        bars: Progress,
        imaging_request: ImagingRequest,
        data: raw.DemoData,
        people: dict[str, User],
    ) -> None:
        play.start_imaging(imaging_request, people)
        bar = bars.add_task("imager: raw planes", total=data.planes)
        play.deliver(
            imaging_request, data, lambda done, total: bars.update(bar, completed=done, total=total)
        )
        bars.update(bar, completed=data.planes)
        self._watch(bars, "check", play.check_delivery(imaging_request, data, people))
        self._raise_if_failed(imaging_request)
        play.complete_imaging(imaging_request, people)

    def _process(self, bars: Progress, imaging_request: ImagingRequest, pipeline: str) -> None:
        self._watch(bars, "cluster", play.process(imaging_request, pipeline))
        self._raise_if_failed(imaging_request)

    def _analyse(
        self,
        bars: Progress,
        imaging_request: ImagingRequest,
        data: raw.DemoData,
        people: dict[str, User],
    ) -> None:
        with_atlas = play.can_register(data)
        if data.is_phantom and not with_atlas:
            self.console.print("elastix is not installed, so nothing is registered with the atlas.")
        play.start_processing(imaging_request, people, with_atlas=with_atlas)
        self._process(bars, imaging_request, LIGHTSHEET)

    def _watch(
        self, bars: Progress, who: str, turns: Iterable[Sequence[play.StepProgress]]
    ) -> None:
        shown: dict[str, Any] = {}
        for steps in turns:
            for step in steps:
                if step.key not in shown:
                    shown[step.key] = bars.add_task(f"{who}: {step.key}", total=step.total)
                bars.update(shown[step.key], completed=step.done, total=step.total)

    def _raise_if_failed(self, imaging_request: ImagingRequest) -> None:
        runs = Run.objects.filter(imaging_request=imaging_request)
        run = runs.order_by("-id").first()
        if run is None or run.state != RunState.FAILED:
            return
        failed = Attempt.objects.filter(step__run=run, state="failed").order_by("id").last()
        if failed:
            raise CommandError(
                f"{failed.step.label} failed: {failed.message or failed.reason}\n"
                f"{failed.log_tail[-2000:]}"
            )

    def _show(self, request: Request, person: User) -> None:
        proven = proof.prove(request, person)
        state = request.get_state_display().lower()
        self.console.print(
            f"[bold]“{request.name}”[/] is {state}, with {len(proven)} viewable volumes:"
        )
        for layer in proven:
            self.console.print(
                f"  {layer.name}: {settings.SITE_URL}/viewers/layers/{layer.uuid}/ ({layer.found})"
            )

    def _serve(self) -> None:
        table = Table(title=f"Accounts (password: {DEMO_PASSWORD})")
        table.add_column("account")
        table.add_column("does")
        for person in DEMO_PEOPLE:
            table.add_row(person.username, person.does)
        self.console.print(table)
        self.console.print(
            f"[bold]Site[/] {settings.SITE_URL}   "
            f"[bold]staff console[/] {settings.SITE_URL}/admin/   Ctrl-C stops it."
        )
        while True:
            time.sleep(3600)


def _data_of(options: dict[str, Any]) -> raw.DemoData:
    if not options["raw"]:
        return raw.phantom_data()
    if not options["voxel"]:
        raise CommandError("RAW needs VOXEL=z,y,x: the voxel size in µm, as 50,40,40.")
    return raw.folder_data(
        options["raw"].resolve(), raw.parse_voxel(options["voxel"]), options["orientation"]
    )


@contextlib.contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:<30}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        yield bars
