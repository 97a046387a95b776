"""Samples on their way through processing, reached as people reach it."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tifffile
from django.conf import settings

from core_app.models import User
from imaging_app import selectors as imaging
from imaging_app.models import ImagingRequest
from imaging_app.services.channels import Acquisition
from pipeline.contract import StepResult, StepSpec
from processing_app import workflows
from processing_app.cluster.ports import JobRequest
from processing_app.cluster.scheduler_memory import memory_cluster, succeed
from processing_app.cluster.shell_memory import MemoryShell
from processing_app.cluster.workdir import JobFolder
from processing_app.models import Atlas, ProcessingRequest, Run
from processing_app.services.processing import Entry
from requests_app.plans import ChannelPlan, RequestPlan, ResolutionPlan
from tests.support import clusters, scenarios, stacks
from tests.support.checks import check_and_complete

SMARTSPIM = ResolutionPlan(
    "3.6x", (ChannelPlan("488", ("registration",)), ChannelPlan("642", ("cell_detection",)))
)
FOLDERS = {"488": "Ex_488_Em_0", "642": "Ex_642_Em_2"}
FIGURES = {
    "verdict": "warn",
    "figures": [
        {"name": "contrast", "label": "Contrast", "value": 7.31, "unit": "", "limit": 3.0,
         "verdict": "pass", "channel": "488"},
        {"name": "saturated", "label": "Saturated voxels", "value": 1.2, "unit": "%", "limit": 1.0,
         "verdict": "warn", "channel": "488"},
    ],
    "curves": [
        {"name": "sharpness", "label": "Sharpness by depth", "unit": "a.u.", "channel": "488",
         "x": list(range(0, 800, 10)),
         "y": [round(3 + 2 * math.sin(z / 130) - z / 400, 4) for z in range(0, 800, 10)]},
    ],
    "pictures": [{"file": "montage-488.png", "label": "Montage", "channel": "488"}],
}  # fmt: skip
REGISTRATION = {"score": 0.8731, "least_score": 0.5, "overlay": "overlay.png"}


def an_installed_atlas(name: str = "small") -> Atlas:
    """An atlas whose files have a place below the data root."""
    files = {f"{kind}_path": f"atlases/{name}/{kind}" for kind in (
        "template", "annotation", "structure_tree"
    )}  # fmt: skip
    return Atlas.objects.create(
        checksum="0" * 64,
        name=name,
        label=f"The {name} atlas",
        voxel_x_um=25,
        voxel_y_um=25,
        voxel_z_um=25,
        **files,
    )


def a_round(imaging_request: ImagingRequest, number: int = 1) -> ProcessingRequest:
    return ProcessingRequest.objects.get(imaging_request=imaging_request, number=number)


def a_ready_round(
    owner: User, *, clearer: User, imager: User, plan: RequestPlan | None = None
) -> ProcessingRequest:
    """A sample that is imaged, whose raw volumes are made, and that nobody has processed yet."""
    sample = clusters.an_imaged_sample(owner, clearer=clearer, imager=imager, plan=plan)
    clusters.deliver(sample)
    clusters.drive_until_over(clusters.image_again(sample, by=imager), memory_cluster())
    return a_round(sample)


def a_stitched_sample(
    owner: User, *, clearer: User, imager: User, is_stitched: bool = True, name: str = "spim"
) -> ImagingRequest:
    """A SmartSPIM sample of two channels that is imaged and, if so, stitched."""
    plan = scenarios.a_plan(name, samples=(scenarios.a_sample_plan(resolutions=(SMARTSPIM,)),))
    sample = scenarios.a_request_being_imaged(owner, clearer=clearer, imager=imager, plan=plan)
    for channel in imaging.channels_of(sample):
        _deliver_tiles(sample, channel.pk, FOLDERS[channel.wavelength.name], by=imager)
    sample = ImagingRequest.objects.get(pk=sample.pk)
    check_and_complete(sample, by=imager)
    if is_stitched:
        for run in Run.objects.processing().filter(imaging_request=sample):
            clusters.drive_until_over(run, memory_cluster(work))
    return ImagingRequest.objects.get(pk=sample.pk)


def _deliver_tiles(sample: ImagingRequest, channel: int, folder: str, *, by: User) -> None:
    from imaging_app.services.channels import set_channels

    acquisition = Acquisition(
        folder, z_planes=3, z_step_um=2.0, tile_columns=3, tile_rows=5, tile_overlap=0.1
    )
    set_channels(sample, {channel: acquisition}, by=by)
    found = imaging.channels_of(sample).get(pk=channel)
    stacks.smartspim_delivery(settings.DATA_ROOT / str(found.raw_folder))


def entries_of(one: ProcessingRequest, atlas: Atlas | None = None) -> list[Entry]:
    """What a processor enters who changes nothing but the atlas."""
    return [Entry(row, atlas, row.final_orientation) for row in one.resolutions.all()]


def started(one: ProcessingRequest, *, by: User, atlas: Atlas | None = None) -> list[Run]:
    return workflows.start_processing(one, entries_of(one, atlas), by=by)


def processed(
    one: ProcessingRequest, *, by: User, atlas: Atlas | None = None,
    work: Callable[[JobRequest, MemoryShell], int] | None = None,
) -> ProcessingRequest:  # fmt: skip
    """Start the round and let its runs come to their end."""
    for run in started(one, by=by, atlas=atlas):
        clusters.drive_until_over(run, memory_cluster(work or globals()["work"]), ticks=200)
    return ProcessingRequest.objects.get(pk=one.pk)


def work(job: JobRequest, shell: MemoryShell) -> int:
    """A job that finds what the steps of processing find, and leaves its pictures on storage."""
    code = succeed(job, shell)
    folder = JobFolder(job.folder)
    spec = StepSpec.from_json(shell.files[folder.spec])
    known = json.loads(shell.files[folder.result])
    if found := _found(spec):
        known["outputs"] = found
        shell.write(folder.result, StepResult(**known).to_json().encode())
    return code


def _found(spec: StepSpec) -> dict[str, object]:
    if spec.step == "register":
        pictures(settings.DATA_ROOT / spec.outputs["folder"], ["overlay.png"])
        return REGISTRATION
    if spec.step == "assess":
        pictures(settings.DATA_ROOT / spec.outputs["sheet"], ["montage-488.png"])
        return FIGURES
    if spec.step == "count_regions":
        table = settings.DATA_ROOT / spec.outputs["table"]
        table.mkdir(parents=True, exist_ok=True)
        (table / "regions.csv").write_text("id,acronym,volume_mm3\n997,root,412.5\n")
        return {"regions": 1, "files": ["regions.csv"]}
    if spec.step == "detect_cells":
        return _cells()
    return {}


def _cells() -> dict[str, object]:
    return {
        "shape": [64, 48, 32], "voxel_nm": [5000, 5000, 10000], "dtype": "float32",
        "window": [0, 1], "bytes": 512, "cells": 17,
    }  # fmt: skip


def pictures(folder: Path, names: Sequence[str]) -> None:
    """Put pictures that look like a brain into the folder."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    brain = np.clip(1 - (x / 0.85) ** 2 - (y / 0.7) ** 2, 0, 1) ** 0.5
    detail = 0.75 + 0.25 * np.sin(18 * x + 9 * y * y) * np.cos(14 * y)
    for name in names:
        Image.fromarray((brain * detail * 255).astype(np.uint8)).save(folder / name)


def a_flat_field(folder: Path, name: str = "flat.tiff") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, np.ones((8, 10), np.float32))
    return folder / name
