"""Long stacks made in parts: tasks make planes, the step takes them over, nothing is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

from pipeline import products, registry, runner
from pipeline.contract import StepResult
from pipeline.errors import BadInput, Busy
from pipeline.steps import blend_sheets, correct, merge_tiles
from pipeline.workspace import Workspace
from tests.support import stacks, tilings
from tests.unit.pipeline.plane_steps import AXES, blend_spec, correct_spec
from tests.unit.pipeline.stitching import merge_spec, write_placements
from tests.unit.pipeline.support import contents, precompute_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.contract import JsonDict, StepSpec

PLANES, TASKS = 7, 3
RUN = {"blend_sheets": blend_sheets.run, "correct": correct.run, "merge_tiles": merge_tiles.run}


def _blending(root: Path) -> StepSpec:
    for seed, side in enumerate(("left", "right")):
        stacks.single_planes(root / side, stacks.random_volume((PLANES, 30, 40), seed=seed))
    small = {"voxel_um": [20, 20, 20], "axes": AXES, "to_axes": AXES}
    return blend_spec(equalize="mean", downsized=small)


def _correcting(root: Path) -> StepSpec:
    stacks.single_planes(root / "in", stacks.random_volume((PLANES, 64, 64)))
    return correct_spec(flat_from="estimated", sigma=[8, 16])


def _merging(root: Path) -> StepSpec:
    tiling = tilings.jittered(
        columns=2, rows=1, tile_zyx=(PLANES, 40, 50), overlap=0.2, jitter_xyz=(2, 2, 0)
    )
    volume = stacks.random_volume(tilings.needed_zyx(tiling))
    tilings.write_lavision(root / "raw", tilings.cut(volume, tiling))
    write_placements(root, tiling)
    return merge_spec(tiling)


@pytest.fixture(params=[_blending, _correcting, _merging], ids=["blend", "correct", "merge"])
def make(request: pytest.FixtureRequest) -> Callable[[Path], StepSpec]:
    return request.param


def _run(root: Path, spec: StepSpec, *, task: int | None = None, name: str = "") -> JsonDict:
    """Run the step, or a task of it, in this process."""
    name = name or (spec.name if task is None else f"{spec.name}-parts")
    spec = replace(spec, name=name, tasks=0 if task is None else TASKS)
    return RUN[spec.step](spec, Workspace(root, name, spec.threads, task=task))


def _destination(root: Path, spec: StepSpec) -> Path:
    return root / spec.outputs["planes"]


def _drafts(root: Path, spec: StepSpec) -> list[Path]:
    destination = _destination(root, spec)
    return sorted(destination.parent.glob(f"{destination.name}.partial-*"))


def _as_one_whole(root: Path, make: Callable[[Path], StepSpec]) -> dict[str, bytes]:
    spec = make(root)
    _run(root, spec)
    return _made(root, spec)


def _made(root: Path, spec: StepSpec) -> dict[str, bytes]:
    """The files that came of it, but for the records, which know when the input was copied."""
    found = contents(_destination(root, spec).parent)
    return {name: data for name, data in found.items() if name.endswith(".tif")}


def test_parts_give_what_one_whole_gives(tmp_path: Path, make: Callable[[Path], StepSpec]) -> None:
    expected = _as_one_whole(tmp_path / "whole", make)
    root = tmp_path / "parts"
    spec = make(root)

    said = [_run(root, spec, task=task) for task in range(TASKS)]
    assert not _destination(root, spec).exists()
    outputs = _run(root, spec)

    assert _made(root, spec) == expected
    assert sum(int(str(one["planes"])) for one in said) == PLANES
    assert outputs["shape"]
    assert _drafts(root, spec) == []


def test_what_tasks_made_is_not_made_again(
    tmp_path: Path, make: Callable[[Path], StepSpec]
) -> None:
    spec = make(tmp_path)
    for task in range(TASKS):
        _run(tmp_path, spec, task=task)
    (draft,) = _drafts(tmp_path, spec)
    before = {path.name: path.stat().st_ino for path in draft.glob("*.tif")}

    _run(tmp_path, spec)

    after = {path.name: path.stat().st_ino for path in _destination(tmp_path, spec).glob("*.tif")}
    assert len(before) == PLANES
    assert after == before


def test_what_a_task_did_not_make_the_step_makes(
    tmp_path: Path, make: Callable[[Path], StepSpec]
) -> None:
    expected = _as_one_whole(tmp_path / "whole", make)
    root = tmp_path / "parts"
    spec = make(root)
    for task in (0, 2):
        _run(root, spec, task=task)

    _run(root, spec)

    assert _made(root, spec) == expected


def test_tasks_that_are_tried_again_go_on_with_what_there_is(
    tmp_path: Path, make: Callable[[Path], StepSpec]
) -> None:
    spec = make(tmp_path)
    _run(tmp_path, spec, task=0, name="first")

    for task in (1, 2):
        _run(tmp_path, spec, task=task, name="second")

    (draft,) = _drafts(tmp_path, spec)
    assert draft.name.endswith(".partial-second")
    assert len(list(draft.glob("*.tif"))) == PLANES


def test_a_task_has_nothing_to_do_where_all_is_made(
    tmp_path: Path, make: Callable[[Path], StepSpec]
) -> None:
    spec = make(tmp_path)
    whole = _run(tmp_path, spec)

    assert _run(tmp_path, spec, task=1)["shape"] == whole["shape"]
    assert _drafts(tmp_path, spec) == []


def test_planes_of_other_input_are_not_taken_over(
    tmp_path: Path, make: Callable[[Path], StepSpec]
) -> None:
    expected = _as_one_whole(tmp_path / "whole", make)
    root = tmp_path / "parts"
    spec = make(root)
    for path in root.glob("*/*.tif"):
        tifffile.imwrite(path, np.flip(tifffile.imread(path)))
    for task in range(TASKS):
        _run(root, spec, task=task)
    make(root)  # the right planes arrive

    _run(root, spec)

    assert _made(root, spec) == expected


# The draft that tasks share.


def test_tasks_have_the_draft_at_once_and_nobody_else_has_it(tmp_path: Path) -> None:
    place = tmp_path / "planes"
    with (
        products.open_draft(place, name="parts", identity="x", shared=True) as one,
        products.open_draft(place, name="parts", identity="x", shared=True) as other,
    ):
        assert one.folder == other.folder
        assert not one.resumed
        assert other.resumed
        with products.open_draft(place, name="whole", identity="x") as whole:
            assert whole.folder != one.folder
        assert one.folder.is_dir()


def test_a_task_does_not_join_the_draft_of_a_whole_step_that_lives(tmp_path: Path) -> None:
    place = tmp_path / "planes"
    with (
        products.open_draft(place, name="a1", identity="x"),
        pytest.raises(Busy),
        products.open_draft(place, name="a1", identity="x", shared=True),
    ):
        pass


def test_a_task_that_finds_other_input_does_not_take_the_draft_from_the_others(
    tmp_path: Path,
) -> None:
    place = tmp_path / "planes"
    with products.open_draft(place, name="parts", identity="x", shared=True) as one:
        with (
            pytest.raises(Busy),
            products.open_draft(place, name="parts", identity="y", shared=True),
        ):
            pass
        assert one.folder.is_dir()


def test_bad_input_in_one_task_leaves_the_work_of_the_others(tmp_path: Path) -> None:
    spec = _correcting(tmp_path)
    _run(tmp_path, spec, task=0)
    (tmp_path / "in/plane_0003.tif").write_bytes(b"II*\0")

    with pytest.raises(BadInput):
        _run(tmp_path, spec, task=1)


# Which steps have tasks.


@pytest.mark.parametrize("step", sorted(set(registry.STEPS) - registry.TASKED))
def test_other_steps_are_one_whole(tmp_path: Path, step: str) -> None:
    names = registry.SIGNATURES[step]
    spec = replace(
        precompute_spec(),
        step=step,
        inputs=dict.fromkeys(names.inputs, "in"),
        parameters=dict.fromkeys(names.parameters, 1),
        outputs=dict.fromkeys(names.outputs, "out"),
        tasks=2,
    )
    (tmp_path / "spec.json").write_text(spec.to_json())

    runner.run_file(tmp_path / "spec.json", data_root=tmp_path, task=0)

    said = StepResult.from_json((tmp_path / "task-0/result.json").read_text())
    assert said.message == f"{step} is one whole. Take the tasks out of the spec."
