"""Step inspect_raw: judge a delivery and write down what it consists of, changing nothing in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pipeline import parameters
from pipeline.errors import BadInput
from pipeline.raw.check import Expected, inspect_found, list_delivery, unlisted
from pipeline.raw.codes import problem
from pipeline.raw.manifest import difference, draft_manifest, read_lines
from pipeline.raw.wording import count_files, folded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.contract import JsonDict, Problem, StepSpec
    from pipeline.raw.delivery import DeliveryReport
    from pipeline.raw.listing import Found, Names
    from pipeline.raw.manifest import Difference, Draft
    from pipeline.workspace import Workspace

_WAIT = "Wait until the copy has ended, then press Check again."
_CHECK_AFRESH = (
    "Re-open imaging of the sample, check the delivery again and complete it; "
    "a new run begins then."
)


@dataclass(frozen=True, slots=True)
class _Question:
    """What the spec asks. `checked` is the digest of the manifest that was judged right, if any."""

    relative: str
    folder: Path
    manifest: Path
    expected: Expected
    waived: list[str]
    must_be_right: bool
    checked: str = ""


def run(spec: StepSpec, work: Workspace) -> JsonDict:
    """Check the folder and digest every raw file into the manifest.

    With on_problem "fail" a problem that is not waived is BadInput; with "report" the report says
    so, and the manifest is written all the same if every file could be read and nothing changed.
    With a manifest_digest the files must be those of that manifest, which stays as it is otherwise.
    """
    asked = _question(spec, work)
    try:
        found = list_delivery(work.root, asked.folder, asked.expected)
    except OSError as error:
        return _outputs(spec, _settled(asked, unlisted(asked.relative, error)), None)
    report = inspect_found(
        work.root,
        asked.folder,
        asked.expected,
        found,
        waived=asked.waived,
        threads=work.threads,
    )
    report = _settled(asked, report)
    draft = None
    if found.groups:
        draft, further = _manifest(asked, found, work)
        report = _settled(asked, _with(report, _unsaid(report, further)))
    if draft is not None:
        work.input_digest = draft.digest
        work.count_bytes(read=draft.read, written=draft.bytes)
    return _outputs(spec, report, draft)


def _question(spec: StepSpec, work: Workspace) -> _Question:
    relative = parameters.text(spec.inputs, "folder")
    folder = work.resolve(relative)
    manifest = work.resolve(spec.outputs["manifest"])
    if manifest.is_relative_to(folder):
        raise BadInput("The manifest may not be written into the raw folder.")
    layout = parameters.text(spec.parameters, "layout")
    what_then = parameters.choice(spec.parameters, "on_problem", "fail", "report")
    return _Question(
        relative=relative,
        folder=folder,
        manifest=manifest,
        expected=Expected.from_json(spec.parameters["channels"], layout=layout),
        waived=parameters.texts(spec.parameters, "waived"),
        must_be_right=what_then == "fail",
        checked=parameters.text(spec.inputs, "manifest_digest", ""),
    )


def _settled(asked: _Question, report: DeliveryReport) -> DeliveryReport:
    """The report; BadInput with every open problem if there may be none."""
    if asked.must_be_right and not report.ok:
        open_problems = [item for item in report.problems if item.key not in report.waived]
        raise BadInput(_summary(open_problems), open_problems)
    return report


def _summary(problems: Sequence[Problem]) -> str:
    first = f"{problems[0].what} {problems[0].remedy}"
    more = len(problems) - 1
    return f"{first} (And {more} more problem{'s' if more > 1 else ''}.)" if more else first


def _unsaid(report: DeliveryReport, further: Sequence[Problem]) -> list[Problem]:
    """A file whose header cannot be read cannot be digested either: once is enough."""
    said = {item.code for item in report.problems} & {"unreadable"}
    return [item for item in further if item.code not in said]


def _with(report: DeliveryReport, further: Sequence[Problem]) -> DeliveryReport:
    if not further:
        return report
    return replace(report, ok=False, problems=(*report.problems, *further))


def _manifest(
    asked: _Question, found: Found, work: Workspace
) -> tuple[Draft | None, list[Problem]]:
    """Digest the files and look again; never publish what changed meanwhile."""
    try:
        draft = draft_manifest(
            asked.folder,
            found,
            asked.manifest,
            threads=work.threads,
            progress=lambda done, total: work.progress(done, total, "planes", "Reading raw data"),
        )
    except BadInput as error:
        if not error.problems:
            raise
        # a file that went while we read is no file that cannot be read
        return None, _what_moved(asked, found, work) or error.problems
    moved = _what_moved(asked, found, work) or _what_was_not_checked(asked, draft)
    if moved:
        draft.discard()
        return None, moved
    draft.publish()
    return draft, []


def _what_was_not_checked(asked: _Question, draft: Draft) -> list[Problem]:
    if asked.checked in ("", draft.digest):
        return []
    what = "The raw data is not what it was when it was checked"
    try:
        changes = difference(read_lines(draft.destination), read_lines(draft.temporary))
    except (OSError, ValueError):
        changes = None  # without a list of what was checked nobody can say which files
    if not changes:
        return [problem("changed", "", f"{what}.", _CHECK_AFRESH)]
    return [problem("changed", _first(changes), f"{what}: {_words(changes)}.", _CHECK_AFRESH)]


def _what_moved(asked: _Question, found: Found, work: Workspace) -> list[Problem]:
    try:
        after = list_delivery(work.root, asked.folder, asked.expected)
    except OSError as error:
        return list(unlisted(asked.relative, error).problems)
    changes = difference(found.in_order(), after.in_order())
    if not changes:
        return []
    what = f"The folder changed during the check: {_words(changes)}."
    return [problem("changed", _first(changes), what, _WAIT)]


def _kinds(changes: Difference) -> dict[str, Names]:
    kinds = {"changed": changes.changed, "came": changes.new, "went": changes.gone}
    return {word: names for word, names in kinds.items() if names}


def _words(changes: Difference) -> str:
    return ", ".join(
        f"{count_files(names.count)} {word} ({folded(names.first, count=names.count)})"
        for word, names in _kinds(changes).items()
    )


def _first(changes: Difference) -> str:
    return next(iter(_kinds(changes).values())).first[0]


def _outputs(spec: StepSpec, report: DeliveryReport, draft: Draft | None) -> JsonDict:
    return {
        "report": report.to_json(),
        "files": report.files,
        "bytes": report.bytes,
        "manifest": spec.outputs["manifest"] if draft else "",
        "manifest_digest": draft.digest if draft else "",
    }
