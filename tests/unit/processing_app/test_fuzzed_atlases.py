"""Whatever an atlas' files say, they are read or refused in a sentence; never a traceback."""

import json
import random
import warnings
from itertools import product

import nibabel
import numpy as np
import pytest
import tifffile

from pipeline.errors import BadInput
from pipeline.orientation import SAGITTAL
from processing_app.atlas_files import folders, sources
from tests.support.atlases import CSV, small_volumes, write_files

DEEP = "deep"
NASTY = [
    None, True, False, 0, -1, 5, 1.5, -0.0, 2**32, 10**400, float("nan"), float("inf"), 1e308,
    5e-324, "", "x", "nan", "1e999", "\ud800", "\0", "5" * 5000, [], {}, [[]], [None], [1, 2],
    ["a", "b", "c"], [1, 2, 3, 4], {"id": 1}, [{"id": 5}], {"children": 7}, DEEP,
]  # fmt: skip
ALLEN = {
    "msg": [
        {
            "id": 1, "acronym": "root", "name": "root", "color_hex_triplet": "FFFFFF",
            "parent_structure_id": None, "children": [
                {"id": 5, "acronym": "CTX", "name": "Cortex", "color_hex_triplet": "010203",
                 "parent_structure_id": 1, "children": []},
            ],
        }
    ]
}  # fmt: skip
GLOBE = [
    {"acronym": "root", "id": 1, "name": "root", "structure_id_path": [1],
     "rgb_triplet": [255, 255, 255]},
    {"acronym": "CTX", "id": 5, "name": "Cortex", "structure_id_path": [1, 5],
     "rgb_triplet": [1, 2, 3]},
]  # fmt: skip
METADATA = {
    "name": "small", "citation": "Doe", "atlas_link": "http://example.org",
    "resolution": [20, 20, 20], "orientation": "asr",
}  # fmt: skip
TEXTS = [
    b"", b"\0", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b"{}", b"[]", b"7", b'"x"',
    b"null",
    b"id,name,parent\n1,\0,\n", b"id,name,parent\n1," + b"x" * 200_000 + b",\n",
    b'id,name,parent\n1,"x,\n', b"id;name;parent\n1;a\n5;b;1;2;3\n", b"id,name,parent\n",
    b"id,name,parent\nnan,a,\n", b"id,name,parent\n1,a,inf\n", b"id,id,name,parent\n1,5,a,\n",
]  # fmt: skip


def places_in(value, path=()):
    """Every place in a document, from the top."""
    yield path
    parts = enumerate(value) if isinstance(value, list) else ()
    for key, part in value.items() if isinstance(value, dict) else parts:
        yield from places_in(part, (*path, key))


def replaced(value, path, by):
    if not path:
        return by
    copied = value.copy()
    copied[path[0]] = replaced(value[path[0]], path[1:], by)
    return copied


def text_of(document):
    return json.dumps(document).replace(f'"{DEEP}"', "[" * 20_000 + "]" * 20_000)


def damaged(data, chance):
    """Bytes overwritten, cut out or cut off."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(found))
        found[at] = chance.choice([0, 1, 127, 128, 255, chance.randrange(256)])
    if chance.random() < 0.2:
        del found[chance.randrange(len(found)) :]
    return bytes(found)


def is_read_or_refused(read):
    """Return True if it was read; what is read has to be fit for everything that follows."""
    try:
        found = sources.turned(read(), SAGITTAL)
    except BadInput as refusal:
        assert 10 < len(refusal.message) < 2000
        return False
    json.dumps(found.tree.to_json()).encode()
    assert all(one.name for one in found.tree)
    found.source.encode()
    assert all(0 < side < 1e6 for side in found.voxel_um)
    assert folders.checksum_of(found)
    return True


@pytest.fixture
def files(tmp_path):
    return write_files(tmp_path)


def of_files(files, **given):
    usual = {"voxel_um": (20.0, 20.0, 20.0), "axes": SAGITTAL}
    return lambda: sources.of_files(**files, **{**usual, **given})


@pytest.mark.parametrize("document", [ALLEN, GLOBE], ids=["allen", "brainglobe"])
def test_any_value_anywhere_in_an_ontology(document, files):
    tree = files["tree"].with_suffix(".json")
    outcomes = set()

    for path, value in product(places_in(document), NASTY):
        tree.write_text(text_of(replaced(document, path, value)))
        outcomes.add(is_read_or_refused(of_files({**files, "tree": tree})))

    assert outcomes == {True, False}


def test_any_value_anywhere_in_the_metadata(files, tmp_path):
    for kind, name in (("template", "reference"), ("annotation", "annotation")):
        files[kind].rename(tmp_path / f"{name}.tiff")
    (tmp_path / "structures.json").write_text(json.dumps(GLOBE))
    outcomes = set()

    for path, value in product(places_in(METADATA), NASTY):
        (tmp_path / "metadata.json").write_text(text_of(replaced(METADATA, path, value)))
        outcomes.add(is_read_or_refused(lambda: sources.of_brainglobe(tmp_path)))

    assert outcomes == {True, False}


@pytest.mark.parametrize("name", ["tree.csv", "tree.json"])
@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:20]))
def test_any_text_as_an_ontology(text, name, files, tmp_path):
    (tmp_path / name).write_bytes(text)

    is_read_or_refused(of_files({**files, "tree": tmp_path / name}))


def test_damaged_tables(files):
    chance = random.Random(7)

    for _ in range(200):
        files["tree"].write_bytes(damaged(CSV.encode(), chance))
        is_read_or_refused(of_files(files))


@pytest.mark.parametrize("kind", ["template", "annotation"])
def test_damaged_tiffs(kind, files):
    chance, whole = random.Random(11), files[kind].read_bytes()

    for _ in range(100):
        # What matters are the tags, before and behind the voxels.
        data = damaged(whole[:300], chance) + whole[300:]
        files[kind].write_bytes(data)
        with warnings.catch_warnings(action="ignore"):
            is_read_or_refused(of_files(files, voxel_um=None))


@pytest.mark.parametrize("kind", ["template", "annotation"])
def test_damaged_niftis(kind, files, tmp_path):
    affine = np.diag([0.02, 0.02, 0.02, 1])
    for name, volume in zip(("template", "annotation"), small_volumes(), strict=True):
        image = nibabel.Nifti1Image(volume.astype(np.uint16).T, affine)
        image.header.set_xyzt_units("mm")
        files[name] = tmp_path / f"{name}.nii"
        nibabel.save(image, files[name])
    chance, whole = random.Random(13), files[kind].read_bytes()

    for _ in range(150):
        files[kind].write_bytes(damaged(whole[:352], chance) + whole[352:])
        with warnings.catch_warnings(action="ignore"):
            is_read_or_refused(of_files(files, voxel_um=None, axes=None))


SIDES = [0, -1, float("nan"), float("inf"), 5e-324, 1e300]


@pytest.mark.parametrize("side", [float("nan"), float("inf"), 1e30])
def test_a_nifti_with_an_impossible_voxel_size_says_none(side, files, tmp_path):
    image = nibabel.Nifti1Image(small_volumes()[0].T, np.eye(4))
    image.header["pixdim"][1:4] = [0.02, side, 0.02]
    files["template"] = tmp_path / "t.nii"
    nibabel.save(image, files["template"])

    with pytest.raises(BadInput, match="Give it as --voxel"):
        of_files(files, voxel_um=None)()


@pytest.mark.parametrize("spacing", SIDES)
def test_a_tiff_with_an_impossible_voxel_size_says_none(spacing, files):
    tifffile.imwrite(
        files["template"], small_volumes()[0], imagej=True, resolution=(0.05, 0.05),
        metadata={"unit": "um", "spacing": spacing, "axes": "ZYX"},
    )  # fmt: skip

    with pytest.raises(BadInput, match="Give it as --voxel"):
        of_files(files, voxel_um=None)()


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), 1e308])
def test_an_annotation_of_absurd_values_is_refused(value, files):
    volume = small_volumes()[1].astype(np.float64)
    volume[0, 0, 0] = value
    tifffile.imwrite(files["annotation"], volume, photometric="minisblack")

    assert not is_read_or_refused(of_files(files))


@pytest.mark.parametrize("values", [(-1e308, 1e308), (0.0, 5e-324), (-5e-324, 0.0)])
def test_a_template_that_cannot_be_scaled_is_refused(values, files):
    volume = np.full(small_volumes()[0].shape, values[0])
    volume[0, 0, 0] = values[1]
    tifffile.imwrite(files["template"], volume, photometric="minisblack")

    with pytest.raises(BadInput, match="cannot be brought to 16 bits"):
        of_files(files)()
