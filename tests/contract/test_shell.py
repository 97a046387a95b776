"""What every Shell promises."""

import pytest

from core_app.errors import Rejected, Unreachable
from processing_app.cluster.ports import Peek


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path)


def test_a_command_gives_its_output_and_exit_code(shell, folder):
    done = shell.run(["echo", "two words", "$HOME", "a;b"], cwd=folder, timeout=10)

    assert (done.exit_code, done.stdout) == (0, "two words $HOME a;b\n")


def test_a_failing_command_is_an_answer(shell, folder):
    assert shell.run(["false"], cwd=folder, timeout=10).exit_code == 1


def test_a_command_runs_in_the_folder_it_is_given(shell, folder):
    assert shell.run(["pwd"], cwd=folder, timeout=10).stdout.strip() == folder


def test_a_folder_that_is_not_there_is_no_answer(shell, folder):
    with pytest.raises(Unreachable):
        shell.run(["pwd"], cwd=f"{folder}/missing", timeout=10)


def test_a_program_that_is_not_there_is_no_answer(shell, folder):
    with pytest.raises(Unreachable):
        shell.run(["no-such-program-anywhere"], cwd=folder, timeout=10)


def test_the_end_of_a_file_can_be_read(shell, folder):
    shell.write(f"{folder}/log", b"0123456789")

    assert shell.run(["tail", "-c", "4", f"{folder}/log"], cwd=folder, timeout=10).stdout == "6789"


def test_the_end_of_a_missing_file_is_a_failed_command(shell, folder):
    assert shell.run(["tail", "-c", "4", f"{folder}/log"], cwd=folder, timeout=10).exit_code == 1


@pytest.mark.parametrize("content", [b"", b"text\n", bytes(range(256))])
def test_what_is_written_is_read(shell, folder, content):
    shell.write(f"{folder}/file", content)

    assert shell.read(f"{folder}/file") == content


def test_writing_replaces(shell, folder):
    shell.write(f"{folder}/file", b"a longer text")
    shell.write(f"{folder}/file", b"short")

    assert shell.read(f"{folder}/file") == b"short"


def test_no_file_is_none(shell, folder):
    assert shell.read(f"{folder}/missing") is None


def test_a_file_in_no_folder_is_none(shell, folder):
    assert shell.read(f"{folder}/missing/file") is None


def test_writing_into_no_folder_fails(shell, folder):
    with pytest.raises(Unreachable):
        shell.write(f"{folder}/missing/file", b"")


def test_writing_onto_a_folder_will_never_work(shell, folder):
    shell.make_folder(f"{folder}/a")

    with pytest.raises(Rejected):
        shell.write(f"{folder}/a", b"")


def test_a_folder_is_made_with_its_parents_and_may_be_there_already(shell, folder):
    shell.make_folder(f"{folder}/a/b")
    shell.make_folder(f"{folder}/a/b")

    shell.write(f"{folder}/a/b/file", b"x")
    assert shell.read(f"{folder}/a/b/file") == b"x"


def test_a_folder_cannot_take_the_place_of_a_file(shell, folder):
    shell.write(f"{folder}/file", b"")

    with pytest.raises(Rejected):
        shell.make_folder(f"{folder}/file")


def test_of_a_long_file_only_the_beginning_is_read(shell, folder):
    shell.write(f"{folder}/file", b"0123456789")

    assert shell.read(f"{folder}/file", most=4) == b"0123"


def test_a_folder_is_not_read_as_a_file(shell, folder):
    shell.make_folder(f"{folder}/a")

    with pytest.raises(Rejected):
        shell.read(f"{folder}/a")


def test_many_files_are_read_in_the_order_asked_for(shell, folder):
    shell.write(f"{folder}/a", b"0123456789")
    shell.write(f"{folder}/b", bytes(range(256)))
    shell.make_folder(f"{folder}/c")
    wanted = [
        Peek(f"{folder}/b"),
        Peek(f"{folder}/a", most=4),
        Peek(f"{folder}/missing"),
        Peek(f"{folder}/a", most=3, from_end=True),
        Peek(f"{folder}/c"),
        Peek(f"{folder}/a", most=100, from_end=True),
    ]

    found = shell.read_many(wanted)

    assert found == [bytes(range(256)), b"0123", None, b"789", None, b"0123456789"]


def test_no_file_wanted_is_none_read(shell):
    assert shell.read_many([]) == []


def test_an_empty_file_is_not_a_missing_one(shell, folder):
    shell.write(f"{folder}/a", b"")

    assert shell.read_many([Peek(f"{folder}/a"), Peek(f"{folder}/a", from_end=True)]) == [b"", b""]
