"""The grammar of what a volume consists of. All else does not exist."""

import pytest

from viewers_app.keys import parse_key, picture_key

GOOD = {
    "info": ("info",),
    "provenance": ("provenance",),
    "30000_30000_40000/0.shard": ("30000_30000_40000", "0.shard"),
    "5000_5000_10000/1f.shard": ("5000_5000_10000", "1f.shard"),
    "5.0_5.0_10.0/0-64_0-64_0-64": ("5.0_5.0_10.0", "0-64_0-64_0-64"),
}
BAD = [
    "",
    "/",
    "info/",
    "/info",
    "INFO",
    "info\n",
    "info\0",
    "info.json",
    ".",
    "..",
    "../info",
    "./info",
    "a/../info",
    "../../etc/passwd",
    "/etc/passwd",
    "a//0.shard",
    "a/0.shard/",
    "a/b/0.shard",
    "../0.shard",
    "a/..",
    "a\\0.shard",
    "..\\info",
    "%2e%2e/info",
    "a/%2e%2e%2finfo",
    ".hidden/0.shard",
    "a/.shard",
    "a/G.shard",
    "a/00000000000000000.shard",
    "a/0.SHARD",
    "a/0-64_0-64",
    "a/-1-64_0-64_0-64",
    "a/\u0660-64_0-64_0-64",
    "\uff41/0.shard",
    "a/0.shard\n",
    "a\u2215..\u2215info",
    "_product.json",
    "thumbnail.png",
    "a" * 200 + "/0.shard",
    "a/" + "0" * 5000 + ".shard",
]


REVISION = "0123456789abcdef"
NO_REVISIONS = ["", "@", "@x", "@0123456789abcde", "@0123456789ABCDEF", "@0123456789abcdef0", "r"]


@pytest.mark.parametrize(("text", "parts"), GOOD.items())
def test_a_key_may_name_the_revision_it_wants(text: str, parts: tuple[str, ...]) -> None:
    key = parse_key(f"@{REVISION}/{text}")

    assert key is not None
    assert (key.parts, key.revision) == (parts, REVISION)


@pytest.mark.parametrize("revision", NO_REVISIONS)
def test_no_other_prefix_is_a_revision(revision: str) -> None:
    assert parse_key(f"{revision}/info") is None
    assert parse_key(f"{revision}/30000_30000_40000/0.shard") is None
    assert parse_key(f"@{REVISION}/{revision}/info") is None


@pytest.mark.parametrize(("text", "parts"), GOOD.items())
def test_a_key_of_a_volume_is_taken_apart(text: str, parts: tuple[str, ...]) -> None:
    key = parse_key(text)

    assert key is not None
    assert key.parts == parts


@pytest.mark.parametrize("text", BAD)
def test_everything_else_is_no_key(text: str) -> None:
    assert parse_key(text) is None


def test_only_info_and_provenance_are_documents() -> None:
    keys = [parse_key(text) for text in GOOD]

    assert [key.is_document for key in keys if key] == [True, True, False, False, False]


@pytest.mark.parametrize("name", ["", "../a.png", "a/b.png", ".png", "a.svg", "a.png\n", "info"])
def test_a_picture_is_a_plain_png_file_name(name: str) -> None:
    assert picture_key(name) is None
    assert picture_key("thumbnail.png") is not None
