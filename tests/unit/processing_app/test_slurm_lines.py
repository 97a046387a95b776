"""Reading what the commands of Slurm print."""

from datetime import UTC, datetime

import pytest

from processing_app.cluster import slurm_lines
from processing_app.cluster.slurm_lines import Key, key_of


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("123", Key("123")),
        ("123_4", Key("123", (4,))),
        ("123_[0-5%2]", Key("123", (0, 1, 2, 3, 4, 5))),
        ("123_[1,3,7-9]", Key("123", (1, 3, 7, 8, 9))),
        ("123_[5-11:2%1]", Key("123", (5, 7, 9, 11))),
        ("123_[7]", Key("123", (7,))),
        ("123_[0-5,...]", Key("123", ())),
        ("123_[0-999999999]", Key("123", ())),
    ],
)
def test_jobs_and_tasks_of_arrays_are_told_apart(text, key):
    assert key_of(text) == key


@pytest.mark.parametrize("text", ["123.batch", "123_4.0", "123+0", "JOBID", "", "x123", "123_[]"])
def test_what_is_no_job_is_no_key(text):
    assert key_of(text) is None


@pytest.mark.parametrize(
    ("tasks", "text"),
    [((0, 3, 5, 6, 7, 8, 9), "0,3,5-9"), ((4,), "4"), ((2, 1, 2), "1-2"), ((), "")],
)
def test_tasks_are_written_short(tasks, text):
    assert slurm_lines.spans_of(tasks) == text


@pytest.mark.parametrize(
    ("stdout", "job_id"),
    [
        ("1234\n", "1234"),
        ("1234;north\n", "1234;north"),
        ("Welcome to the cluster!\n\n1234\n", "1234"),
        ("1234\nGoodbye, 3 users.\n", "1234"),
        ("\r\n 1234 \r\n", "1234"),
        ("1234\n1234\n", "1234"),
    ],
)
def test_the_id_is_found_among_noise(stdout, job_id):
    assert slurm_lines.submitted_id(stdout) == job_id


@pytest.mark.parametrize(
    "stdout", ["", "\n", "Submitted batch job 12", "12\n13\n", "-1", "1234;", "12 34", "١٢"]
)
def test_without_one_certain_id_there_is_none(stdout):
    assert slurm_lines.submitted_id(stdout) is None


def test_a_table_begins_with_its_heading():
    table = slurm_lines.table("a|b|\nMotd\nCLUSTER: north\nJOBID|STATE|\n1|RUNNING|\n", 2)

    assert (table.rows, table.is_whole, table.cluster) == ([["1", "RUNNING"]], True, "north")


@pytest.mark.parametrize(
    "stdout",
    [
        "",
        "1|RUNNING|\n",
        "JOBID|STATE|",
        "JOBID|STATE|\n1|RUNN",
        "JOBID|STATE|\n1|RUNNING\n",
        "JOBID|STATE|\n1|\n2|RUNNING|\n",
        "JOBID|STATE|\n12",
    ],
)
def test_an_answer_that_is_cut_off_is_not_whole(stdout):
    assert not slurm_lines.table(stdout, 2).is_whole


def test_noise_after_the_rows_does_no_harm():
    assert slurm_lines.table("JOBID|STATE|\n1|RUNNING|\nlogout\n", 2).is_whole


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0:0", 0),
        ("3:0", 3),
        ("0:9", 137),
        ("768", 3),
        ("9", 137),
        ("0", 0),
        ("", None),
        ("x", None),
    ],
)
def test_exit_codes_are_read_in_both_forms(text, code):
    assert slurm_lines.exit_code_of(text) == code


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2844K", 2844 * 1024),
        ("1.50G", 1610612736),
        ("512", 512),
        ("0", None),
        ("", None),
        ("?", None),
    ],
)
def test_memory_is_read_with_its_unit(text, size):
    assert slurm_lines.bytes_of(text) == size


def test_times_are_seconds_and_so_know_no_time_zone():
    assert slurm_lines.time_of("1795689220") == datetime.fromtimestamp(1795689220, UTC)


@pytest.mark.parametrize("text", ["N/A", "Unknown", "", "0", "2026-11-26T10:32:09", "9" * 10, "²"])
def test_what_is_no_time_is_none(text):
    assert slurm_lines.time_of(text) is None


@pytest.mark.parametrize(
    ("job_id", "parts"),
    [
        ("12", ("12", "")),
        ("12;north", ("12", "north")),
        ("ls-r1-a1", None),
        ("12;", None),
        ("", None),
    ],
)
def test_an_id_has_a_number_and_perhaps_a_cluster(job_id, parts):
    assert slurm_lines.split_id(job_id) == parts
