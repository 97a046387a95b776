"""Step script: a program of the facility runs as a step, and leaves nothing behind but its work."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline import runner
from pipeline.contract import CONTRACT_VERSION, PIPELINE_VERSION, StepSpec
from pipeline.errors import BadInput, Busy, StepFailed
from pipeline.products import open_draft
from pipeline.steps import script
from pipeline.workspace import Workspace
from tests.unit.pipeline.support import result_of, start

if TYPE_CHECKING:
    from collections.abc import Iterator

OUT = "out/site/toy/resolution_1.3x/segment"
TWO_CHANNELS = [{"name": "488", "filter_index": 0}, {"name": "647", "filter_index": 1}]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "the data"
    (folder / "raw").mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def program(root: Path, text: str, *, mode: int = 0o755) -> str:
    """Write a shell script and return its path."""
    path = root.parent / "a script.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(mode)
    return str(path)


def spec_of(*command: str, unit: str = "sample", tasks: int = 0, **inputs: object) -> StepSpec:
    return StepSpec(
        contract=CONTRACT_VERSION, step="script", name="ls-r1-segment-a1", version=PIPELINE_VERSION,
        inputs={"folder": "raw", "layout": "lavision", "channels": TWO_CHANNELS, **inputs},
        parameters={"command": list(command), "unit": unit, "values": {"limit": 3}, "version": "1"},
        outputs={"folder": OUT}, threads=3, tasks=tasks,
    )  # fmt: skip


def run(root: Path, spec: StepSpec, **work: object) -> dict[str, object]:
    return script.run(spec, Workspace(root, spec.name, spec.threads, **work))


def test_what_the_script_writes_is_published_when_it_succeeds(root: Path) -> None:
    done = run(root, spec_of(program(root, "echo cells >cells.csv")))

    assert (root / OUT / "cells.csv").read_text() == "cells\n"
    assert (done["files"], done["bytes"]) == (1, 6)
    assert [path.name for path in (root / OUT).parent.iterdir() if path.name[0] != "."] == [
        "segment"
    ]


def test_words_arrive_whole_with_blanks_quotes_and_stars(root: Path) -> None:
    shown = program(root, 'for word; do printf "%s\\n" "$word"; done >words')

    run(root, spec_of(shown, "a  b", "'\"$HOME;*", "{x}", "{folder}/z", ""))

    words = (root / OUT / "words").read_text().split("\n")
    assert words == ["a  b", "'\"$HOME;*", "{x}", f"{root}/raw/z", "", ""]


def test_what_is_put_in_for_a_placeholder_is_not_replaced_again(root: Path) -> None:
    (root / "raw{out}").mkdir()
    shown = program(root, 'printf "%s" "$1" >words')

    run(root, spec_of(shown, "{folder}", folder="raw{out}"))

    assert (root / OUT / "words").read_text() == f"{root}/raw{{out}}"


def test_each_placeholder_is_a_variable_as_well(root: Path) -> None:
    names = ["spec", "data_root", "folder", "before", "out", "job", "task", "channel"]
    shown = program(root, 'env >variables; for word; do echo "$word"; done >words')
    (root / "earlier").mkdir()
    spec = spec_of(
        shown, *(f"{{{name}}}" for name in names), unit="channel", tasks=2, before="earlier"
    )

    run(root, spec, task=1, spec_file=root / "spec.json")

    folder = root / OUT / "channel_647"
    words = (folder / "words").read_text().splitlines()
    partial = f"{folder}.partial-script"
    assert words == [
        f"{root}/spec.json", str(root), f"{root}/raw", f"{root}/earlier", partial,
        "ls-r1-segment-a1", "1", "647",
    ]  # fmt: skip
    variables = dict(
        line.split("=", 1)
        for line in (folder / "variables").read_text().splitlines()
        if "=" in line
    )
    assert [variables[f"LIGHTSERV_{name.upper()}"] for name in names] == words
    assert variables["LIGHTSERV_THREADS"] == "3"
    assert variables["PWD"] == partial


def test_the_script_has_the_search_path_of_its_own_account(root: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/the/pipeline")
    monkeypatch.setenv("LIGHTSERV_PYTHONPATH", "/opt/theirs")

    run(root, spec_of(program(root, 'printf "%s" "$PYTHONPATH" >path')))

    assert (root / OUT / "path").read_text() == "/opt/theirs"


def test_a_finished_folder_is_returned_at_once(root: Path) -> None:
    spec = spec_of(program(root, "echo once >>../../../../counted"))
    first = run(root, spec)

    assert run(root, replace(spec, name="ls-r2-segment-a1")) == first
    assert (root / "out/counted").read_text() == "once\n"


@pytest.mark.parametrize(
    "changes", [{"values": {"limit": 4}}, {"version": "2"}], ids=["parameter", "version"]
)
def test_another_parameter_or_version_runs_it_again(root: Path, changes: dict[str, object]) -> None:
    spec = spec_of(program(root, "echo once >>../../../../counted"))
    run(root, spec)

    run(root, replace(spec, parameters={**spec.parameters, **changes}))

    assert (root / "out/counted").read_text() == "once\nonce\n"


def test_a_new_result_of_the_step_before_runs_it_again(root: Path) -> None:
    first = spec_of(program(root, "echo $0 >>../../../../counted"))
    earlier = replace(first, outputs={"folder": "out/site/toy/resolution_1.3x/earlier"})
    second = spec_of(
        program(root, "echo $0 >>../../../../counted"), before=earlier.outputs["folder"]
    )
    run(root, earlier)
    run(root, second)

    run(root, replace(earlier, parameters={**earlier.parameters, "version": "2"}))
    run(root, second)

    assert len((root / "out/counted").read_text().splitlines()) == 4


def test_a_failure_names_the_exit_code_and_the_last_words(root: Path) -> None:
    with pytest.raises(StepFailed, match=r"exit code 3\.(.|\n)*no atlas") as failed:
        run(root, spec_of(program(root, "echo first; echo no atlas >&2; exit 3")))

    assert failed.value.reason == "STEP_ERROR"
    assert not (root / OUT).exists()


def test_the_next_attempt_finds_what_a_failed_one_left(root: Path) -> None:
    text = "if [ -e half ]; then echo whole >result; else echo half >half; exit 1; fi"
    spec = spec_of(program(root, text))
    with pytest.raises(StepFailed):
        run(root, spec)

    run(root, replace(spec, name="ls-r1-segment-a2"))

    assert (root / OUT / "result").exists()


@pytest.mark.parametrize(
    ("text", "mode", "why"),
    [("true", 0o644, "Permission denied"), (None, 0, "No such file"), ("", 0o755, "Exec format")],
)
def test_a_program_that_cannot_be_started_is_bad_input_by_name(
    root: Path, text: str | None, mode: int, why: str
) -> None:
    path = root.parent / "tool"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)

    with pytest.raises(BadInput, match=rf"tool.*{why}"):
        run(root, spec_of(str(path)))


def test_a_killed_script_is_told_from_one_that_failed(root: Path) -> None:
    with pytest.raises(StepFailed, match=r"signal 9.*memory"):
        run(root, spec_of(program(root, "kill -9 $$")))


def test_a_second_process_on_the_same_folder_is_busy(root: Path) -> None:
    spec = spec_of(program(root, "true"))
    with open_draft(root / OUT, name="script", identity="x"), pytest.raises(Busy):
        run(root, spec)


def test_what_the_script_says_of_its_work_is_taken_in(root: Path) -> None:
    done = run(root, spec_of(program(root, """echo '{"cells": 12}' >outputs.json""")))

    assert done["said"] == {"cells": 12}


@pytest.mark.parametrize(
    "said", ["[1]", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": 36893488147419103232}', '"\\u0000"',
             '{"a":' * 20 + "1" + "}" * 20],
)  # fmt: skip
def test_what_no_database_can_store_is_refused(root: Path, said: str) -> None:
    with pytest.raises(StepFailed, match=r"outputs\.json"):
        run(
            root,
            spec_of(program(root, f"printf '%s' '{said}' >outputs.json".replace("\\", "\\\\"))),
        )


def test_progress_that_the_script_writes_is_passed_on(root: Path, tmp_path: Path) -> None:
    text = 'echo "3 12 planes Second round" >>"$LIGHTSERV_PROGRESS"'

    run(root, spec_of(program(root, text)), progress_file=tmp_path / "progress.json")

    progress = json.loads((tmp_path / "progress.json").read_text())
    assert {**progress, "at": ""} == {
        "done": 3, "total": 12, "unit": "planes", "label": "Second round", "at": "",
    }  # fmt: skip
    assert not (tmp_path / "script.progress").exists()


@pytest.mark.parametrize("line", ["", "x y", "3", "-1 3 planes", "1.5 2 planes", "\\377"])
def test_progress_that_is_none_is_passed_over(root: Path, tmp_path: Path, line: str) -> None:
    run(
        root,
        spec_of(program(root, f"""printf -- '{line}' >"$LIGHTSERV_PROGRESS" """)),
        progress_file=tmp_path / "progress.json",
    )

    assert not (tmp_path / "progress.json").exists()


def test_a_script_that_removes_its_folder_fails(root: Path) -> None:
    with pytest.raises(StepFailed, match="removed the folder"):
        run(root, spec_of(program(root, 'rm -r "$LIGHTSERV_OUT"')))


def test_what_a_script_leaves_running_is_ended(root: Path) -> None:
    run(root, spec_of(program(root, "sleep 60 & echo $! >pid")))

    assert not is_alive(int((root / OUT / "pid").read_text()))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for(is_so: object, limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def a_long_script(root: Path, job: Path, text: str = "") -> tuple[object, int]:
    """Start the step as a process of its own; return it and the number of the script."""
    spec = spec_of(program(root, f"echo $$ >pid.new; mv pid.new pid; {text} sleep 60 & wait"))
    process = start(job, spec, root)
    file = root / f"{OUT}.partial-script/pid"
    wait_for(file.exists)
    return process, int(file.read_text())


@pytest.mark.alone
def test_a_request_to_stop_reaches_the_script_which_may_end_cleanly(
    root: Path, tmp_path: Path
) -> None:
    process, script_pid = a_long_script(root, tmp_path / "job", "trap 'touch clean; exit 1' TERM;")

    process.terminate()

    assert process.wait(10) == 1
    assert result_of(tmp_path / "job").reason == "CANCELLED"
    assert (root / f"{OUT}.partial-script/clean").exists()
    assert not is_alive(script_pid)


@pytest.mark.alone
def test_a_script_that_does_not_listen_is_killed(root: Path, tmp_path: Path) -> None:
    process, script_pid = a_long_script(root, tmp_path / "job", "trap '' TERM;")

    process.terminate()

    assert process.wait(20) == 1
    assert not is_alive(script_pid)


@pytest.mark.alone
def test_a_script_does_not_outlive_its_step(root: Path, tmp_path: Path) -> None:
    process, script_pid = a_long_script(root, tmp_path / "job")

    process.kill()
    process.wait(10)

    wait_for(lambda: not is_alive(script_pid))


@pytest.mark.alone
def test_the_memory_of_the_script_is_counted(root: Path, tmp_path: Path) -> None:
    spec = spec_of(sys.executable, "-c", "x = b'1' * 300_000_000")

    assert start(tmp_path / "job", spec, root).wait(30) == 0

    assert result_of(tmp_path / "job").metrics["peak_memory_bytes"] > 300_000_000


def test_each_task_works_in_a_folder_of_its_own(root: Path, tmp_path: Path) -> None:
    spec = spec_of(program(root, 'echo "$1" >name'), "{channel}", unit="channel", tasks=2)
    (tmp_path / "spec.json").write_text(spec.to_json())

    codes = [runner.run_file(tmp_path / "spec.json", data_root=root, task=n) for n in (0, 1)]

    assert codes == [0, 0]
    assert [(root / OUT / f"channel_{n}/name").read_text() for n in ("488", "647")] == [
        "488\n", "647\n",
    ]  # fmt: skip
    assert [result_of(tmp_path / f"task-{n}").status for n in (0, 1)] == ["succeeded"] * 2
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(("tasks", "task"), [(2, None), (2, 2), (2, -1), (0, 0)])
def test_a_task_that_the_spec_does_not_have_is_refused(
    root: Path, tmp_path: Path, tasks: int, task: int | None
) -> None:
    (tmp_path / "spec.json").write_text(spec_of("/bin/true", tasks=tasks).to_json())

    assert runner.run_file(tmp_path / "spec.json", data_root=root, task=task) == 2

    folder = tmp_path if task is None else tmp_path / f"task-{task}"
    assert "tasks" in result_of(folder).message


def test_raw_files_that_changed_after_the_check_are_refused(root: Path) -> None:
    (root / "manifest.jsonl").write_text("")
    spec = spec_of("/bin/true", manifest="manifest.jsonl", manifest_digest="0" * 32)

    with pytest.raises(BadInput, match="not the one that was written"):
        run(root, spec)


def test_a_channel_cannot_lead_out_of_the_folder(root: Path) -> None:
    spec = spec_of("/bin/true", unit="channel", tasks=1, channels=[{"name": "a/../../b"}])

    with pytest.raises(BadInput, match="name of a channel"):
        run(root, spec, task=0)
