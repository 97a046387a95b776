"""Which file the volume server sends for a key, and how."""

import gzip

import pytest

from tests.support.viewer_programs import program
from viewers_app.keys import parse_key

volume = program("volume/serve")
CHUNK = "4_4_4/0-64_0-64_0-64"
CONTENT = bytes(range(256)) * 4


@pytest.fixture
def root(tmp_path):
    (tmp_path / "info").write_bytes(b"{}")
    (tmp_path / "4_4_4").mkdir()
    return tmp_path


def found(root, accepted=""):
    return volume.find(root, parse_key(CHUNK), accepted)


def test_a_plain_file_is_sent_as_it_is_and_in_ranges(root):
    (root / CHUNK).write_bytes(CONTENT)

    file = found(root, "gzip")

    assert (file.file.read(), file.size, file.coding, file.has_ranges) == (CONTENT, 1024, "", True)
    file.file.close()


def test_a_compressed_file_is_sent_as_it_is_to_who_takes_it(root):
    packed = gzip.compress(CONTENT)
    (root / f"{CHUNK}.gz").write_bytes(packed)

    file = found(root, "br;q=0.5, gzip")

    assert (file.file.read(), file.size, file.coding) == (packed, len(packed), "gzip")
    assert not file.has_ranges
    file.file.close()


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "br", "xgzip"])
def test_it_is_inflated_for_who_does_not_take_it(root, accepted):
    (root / f"{CHUNK}.gz").write_bytes(gzip.compress(CONTENT))

    file = found(root, accepted)

    assert (file.file.read(), file.size, file.coding) == (CONTENT, 1024, "")
    assert not file.has_ranges


def test_both_forms_of_a_file_have_validators_of_their_own(root):
    (root / f"{CHUNK}.gz").write_bytes(gzip.compress(CONTENT))

    packed, inflated = found(root, "gzip"), found(root)

    assert packed.etag != inflated.etag
    packed.file.close()


def test_brotli_is_sent_only_to_who_takes_it(root):
    (root / f"{CHUNK}.br").write_bytes(b"packed")

    file = found(root, "br")

    assert (file.coding, found(root, "gzip")) == ("br", None)
    file.file.close()


def test_what_is_not_there_is_none(root):
    assert found(root) is None


def test_a_link_is_not_followed(root, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_bytes(b"x")
    (root / CHUNK).symlink_to(outside)
    (root / f"{CHUNK}.gz").symlink_to(outside)

    assert found(root, "gzip") is None
