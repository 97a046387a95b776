"""A facility's own pipelines, with small shell scripts as their steps."""

from pathlib import Path

from processing_app.models import SitePipeline, SiteStep

CHANNEL, SAMPLE = SitePipeline.Unit.CHANNEL, SitePipeline.Unit.SAMPLE


def a_site_pipeline(name: str = "toy", **fields: object) -> SitePipeline:
    return SitePipeline.objects.create(name=name, label=f"The {name} scripts", **fields)


def add_step(pipeline: SitePipeline, key: str, command: list[str], **fields: object) -> SiteStep:
    """Add a script after those that are there."""
    position = pipeline.steps.count() + 1
    return SiteStep.objects.create(
        pipeline=pipeline, key=key, label=key.title(), command=command, position=position, **fields
    )


def script(folder: Path, text: str, name: str = "a script.sh") -> str:
    """Write a shell script and return its path."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)
