"""What another machine answers is read as an answer, or is none."""

import base64
import json
import subprocess

import pytest

from core_app.errors import Unreachable
from processing_app.cluster.ports import Peek
from processing_app.cluster.ssh_commands import Answer, parts_of, reading

MARK = "0123456789abcdef"


def answer(body, *, exit_code=0):
    return Answer(exit_code, "started", f"{MARK}\n{body}\n".encode(), b"")


def parts(done, *, most=1):
    return parts_of(done, mark=MARK, most=most, python="/opt/py")


def test_parts_come_in_order_and_what_is_missing_is_none():
    body = json.dumps([base64.b64encode(b"first").decode(), None, ""])

    assert parts(answer(body), most=3) == [b"first", None, b""]


@pytest.mark.parametrize(
    "body",
    ['{"a": 1}', "[5]", "[[[", "5", '["x"]', '"text"', "null", "[]", "[null, null]", "[" * 100_000],
)
def test_a_strange_answer_is_no_answer(body):
    with pytest.raises(Unreachable):
        parts(answer(body))


def test_an_answer_without_its_mark_is_none():
    with pytest.raises(Unreachable):
        parts(Answer(0, "started", b"[null]\n", b""))


@pytest.mark.parametrize("program", ["/bin/false", "/bin/sh", "/bin/bash"])
def test_what_is_no_python_is_named_and_our_own_text_is_not_shown(program):
    argv, request = reading(program, [Peek("/etc/hostname")], mark=MARK)
    done = subprocess.run(argv, input=request, capture_output=True, check=False)

    with pytest.raises(Unreachable) as trouble:
        parts_of(
            Answer(done.returncode, "started", done.stdout, done.stderr),
            mark=MARK, most=1, python=program,
        )  # fmt: skip

    assert f"{program} ended with code {done.returncode} and no answer" in str(trouble.value)
    assert len(str(trouble.value)) < 120


def test_a_python_that_stops_says_why():
    done = Answer(1, "started", b"", b"Traceback (most recent call last):\n  x\nMemoryError\n")

    with pytest.raises(Unreachable, match="/opt/py stopped: MemoryError"):
        parts(done)
