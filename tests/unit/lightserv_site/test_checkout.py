"""The commit of a checkout is read from its files."""

from pathlib import Path

from lightserv_site.checkout import commit_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def a_checkout(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = folder / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_a_branch_leads_to_its_commit(tmp_path: Path) -> None:
    files = {"HEAD": "ref: refs/heads/main\n", "refs/heads/main": f"{COMMIT}\n"}

    assert commit_of(a_checkout(tmp_path, files)) == COMMIT


def test_a_packed_branch_is_found(tmp_path: Path) -> None:
    packed = f"# pack-refs with: peeled fully-peeled sorted\n{COMMIT} refs/heads/main\n"

    assert (
        commit_of(a_checkout(tmp_path, {"HEAD": "ref: refs/heads/main\n", "packed-refs": packed}))
        == COMMIT
    )


def test_a_detached_head_is_the_commit(tmp_path: Path) -> None:
    assert commit_of(a_checkout(tmp_path, {"HEAD": f"{COMMIT}\n"})) == COMMIT


def test_a_folder_without_git_has_none(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""


def test_a_branch_without_a_commit_has_none(tmp_path: Path) -> None:
    assert commit_of(a_checkout(tmp_path, {"HEAD": "ref: refs/heads/main\n"})) == ""
