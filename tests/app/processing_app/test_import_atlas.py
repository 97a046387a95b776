"""`import_atlas`: every format becomes one canonical atlas; what is wrong changes nothing."""

import json

import nibabel
import numpy as np
import pytest
import tifffile
from django.urls import reverse

from core_app.errors import NotReady
from pipeline.structures import read_tree
from processing_app.atlas_files import folders
from processing_app.models import Atlas
from processing_app.services import atlases
from tests.support.atlases import CSV, given, refused, run, small_volumes, write_files
from tests.unit.pipeline.support import read_scale

pytestmark = pytest.mark.django_db

ALLEN = {
    "msg": [
        {
            "id": 1, "acronym": "root", "name": "root", "color_hex_triplet": "FFFFFF",
            "parent_structure_id": None,
            "children": [
                {
                    "id": 5, "acronym": "CTX", "name": "Cortex", "color_hex_triplet": "010203",
                    "parent_structure_id": 1, "children": [],
                }
            ],
        }
    ]
}  # fmt: skip
BRAINGLOBE = [
    {"acronym": "root", "id": 1, "name": "root", "structure_id_path": [1],
     "rgb_triplet": [255, 255, 255]},
    {"acronym": "CTX", "id": 5, "name": "Cortex", "structure_id_path": [1, 5],
     "rgb_triplet": [1, 2, 3]},
]  # fmt: skip


@pytest.fixture
def root(settings, tmp_path):
    settings.DATA_ROOT = tmp_path / "storage"
    settings.DATA_ROOT.mkdir()
    return settings.DATA_ROOT


@pytest.fixture
def volumes():
    return small_volumes()


@pytest.fixture
def files(tmp_path):
    return write_files(tmp_path)


def installed(root, name="small"):
    folder = root / "atlases" / name
    return tifffile.imread(folder / "template.tif"), tifffile.imread(folder / "annotation.tif")


def nothing_is_left(root, name="small"):
    left = [path.name for path in (root / "atlases").glob("*")] if root.exists() else []
    return left == [] and not Atlas.objects.filter(name=name).exists()


def test_three_files_become_an_atlas_with_its_volumes_and_row(root, files, volumes):
    run(**files, label="Small", source="Doe 2020", licence="CC BY 4.0")

    row = Atlas.objects.get(name="small")
    template, annotation = installed(root)
    assert np.array_equal(template, volumes[0])
    assert np.array_equal(annotation, volumes[1])
    assert annotation.dtype == np.uint16
    assert row.is_installed
    assert row.template_path == "atlases/small/template.tif"
    assert (row.label, row.source, row.licence) == ("Small", "Doe 2020", "CC BY 4.0")
    assert (row.size_x, row.size_y, row.size_z) == (5, 8, 6)
    assert (row.voxel_um, row.directions) == ((20, 20, 20), ("DV", "AP", "LR"))
    assert (row.structures, row.regions) == (2, 2)
    assert (root / row.template_path).is_file()
    tree = read_tree(root / row.structure_tree_path)
    assert (tree[5].label, tree[5].parent, tree[5].color) == ("CTX: Cortex", 1, (1, 2, 3))


def test_the_viewers_volumes_have_every_voxel(root, files, volumes):
    run(**files)

    row = Atlas.objects.get(name="small")
    assert np.array_equal(read_scale(root / row.template_layer_path, 0), volumes[0])
    assert np.array_equal(read_scale(root / row.annotation_layer_path, 0), volumes[1])
    assert not list((root / "atlases/small").glob(".*"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (json.dumps(ALLEN), "tree.json"),
        (json.dumps(ALLEN["msg"][0]), "tree.json"),
        (json.dumps(BRAINGLOBE), "tree.json"),
        ("\ufeffStructure ID;Abbreviation;Name;Parent\n1;root;root;-1\n5;CTX;Cortex;1\n", "t.csv"),
        ("id\tname\tacronym\tparent\n1\troot\troot\t\n5.0\tCortex\tCTX\troot\n", "tree.csv"),
        ("id,name,acronym,parent,hex\n1,root,root,,#ffffff\n5,Cortex,CTX,1,010203\n", "tree.csv"),
    ],
    ids=["allen", "one node", "brainglobe", "semicolons", "tabs, parent by name", "hex"],
)
def test_every_usual_form_of_an_ontology_is_read(root, files, tmp_path, text, name):
    (tmp_path / name).write_text(text, encoding="utf-8")

    run(**{**files, "tree": tmp_path / name})

    tree = read_tree(root / "atlases/small/structures.json")
    assert (tree[5].name, tree[5].acronym, tree[5].parent) == ("Cortex", "CTX", 1)
    assert tree.color(5) in ((1, 2, 3), (160, 160, 160))


@pytest.mark.parametrize(
    ("axes", "to", "expected"),
    [
        ("LR,DV,AP", "sagittal", ("DV", "AP", "LR")),
        ("RL,AP,VD", "sagittal", ("DV", "AP", "LR")),
        ("DV,AP,LR", "horizontal", ("LR", "AP", "DV")),
        ("PA,VD,RL", "coronal", ("LR", "DV", "AP")),
    ],
)
def test_an_atlas_is_turned_to_the_wanted_orientation(root, files, volumes, axes, to, expected):
    """Region 5 is where it is in the file, in the animal's own directions."""
    z, y, x = (int(place[0]) for place in np.nonzero(volumes[1] == 5))
    in_file = dict(zip(axes.split(","), zip((x, y, z), (5, 8, 6), strict=True), strict=True))

    run(**files, axes=axes, to_orientation=to, voxel="10,20,30")

    row = Atlas.objects.get(name="small")
    _, annotation = installed(root)
    found = [int(place[0]) for place in np.nonzero(annotation == 5)][::-1]
    assert row.directions == expected
    for index, direction in zip(found, expected, strict=True):
        place, count = in_file.get(direction) or in_file[direction[::-1]]
        assert index == (place if direction in in_file else count - 1 - place)
    sizes = dict(zip([min(a, a[::-1]) for a in axes.split(",")], (10, 20, 30), strict=True))
    assert row.voxel_um == tuple(sizes[min(a, a[::-1])] for a in expected)


def test_a_nifti_says_its_voxels_and_axes_and_what_is_given_goes_before(root, tmp_path, volumes):
    """Its header says millimetres, x to the left, y to the back, z up."""
    (tmp_path / "tree.csv").write_text(CSV)
    affine = np.diag([-0.025, -0.025, 0.05, 1])
    for name, voxels in zip(("t.nii.gz", "a.nii"), volumes, strict=True):
        image = nibabel.Nifti1Image(voxels.T, affine)
        image.header.set_xyzt_units("mm")
        nibabel.save(image, tmp_path / name)
    files = given(tmp_path, "t.nii.gz", "a.nii", "tree.csv")

    run(**files, voxel=None, axes=None)

    row = Atlas.objects.get(name="small")
    assert row.voxel_um == pytest.approx((50, 25, 25))
    assert np.array_equal(installed(root)[1][::-1, :, ::-1].transpose(2, 1, 0), volumes[1])
    said = run(**files, axes="DV,AP,LR", name="other")
    assert "a.nii says its voxels are 25 x 25 x 50 µm; --voxel was taken instead" in said
    assert "a.nii says its axes are RL,AP,VD; yours were taken instead" in said
    assert np.array_equal(installed(root, "other")[1], volumes[1])


def test_a_brainglobe_folder_is_an_atlas(root, tmp_path, volumes):
    """Its letters name the origin of numpy axes: asr is from anterior, superior, right."""
    folder = tmp_path / "mini_mouse_20um_v1.0"
    folder.mkdir()
    document = {
        "name": "mini_mouse", "citation": "Doe 2020", "orientation": "asr",
        "resolution": [30.0, 20.0, 10.0],
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(document))
    (folder / "structures.json").write_text(json.dumps(BRAINGLOBE))
    for name, volume in zip(("reference", "annotation"), volumes, strict=True):
        # ours is (LR, AP, DV); theirs is (AP, DV, RL)
        stored = np.ascontiguousarray(volume.transpose(1, 2, 0)[:, :, ::-1])
        tifffile.imwrite(folder / f"{name}.tiff", stored, photometric="minisblack")

    run(brainglobe=folder, voxel=None, axes=None)

    row = Atlas.objects.get(name="small")
    assert np.array_equal(installed(root)[0], volumes[0])
    assert row.voxel_um == (20, 30, 10)
    assert row.source == "mini_mouse. Doe 2020"


def test_the_phantom_is_installed_by_a_word(root):
    run(phantom=True, name=None, voxel=None, axes=None)

    row = Atlas.objects.get(name="phantom")
    template, annotation = installed(root, "phantom")
    assert row.is_installed
    assert (row.size_x, row.size_y, row.size_z) == (80, 132, 114)
    assert row.regions == 8
    assert np.array_equal(annotation, annotation[::-1])  # left and right have the same ids
    assert template[annotation > 0].mean() > 10 * template[annotation == 0].mean()


def test_a_dry_run_writes_nothing(root, files):
    said = run(**files, dry_run=True)

    assert "5 x 8 x 6 voxels of 20 x 20 x 20 µm along DV, AP, LR; 2 structures, 2 of them" in said
    assert nothing_is_left(root)


def _spoil(folder, **change):
    """Rewrite one of the files."""
    for name, content in change.items():
        path = folder / {"t": "t.tif", "a": "a.tif", "tree": "tree.csv"}[name]
        if isinstance(content, np.ndarray):
            tifffile.imwrite(path, content, photometric="minisblack")
        elif content is None:
            path.unlink()
        else:
            path.write_text(content)


ONES = np.ones((6, 8, 5), np.uint16)
WRONG = [
    ({"t": np.ones((6, 8, 4), np.uint16)}, {}, "t.tif has 4 x 8 x 6 voxels"),
    ({"t": ONES * 7}, {}, "t.tif is blank: every voxel is 7"),
    ({"t": np.full((6, 8, 5), np.nan, np.float32)}, {}, "values that are no numbers"),
    ({"a": ONES * 9}, {}, "1 ids that are not in the structure tree: 9 (240 voxels)"),
    ({"a": ONES * 0}, {}, "a.tif has no region"),
    ({"a": ONES * 0.5}, {}, "holds float64 and no ids"),
    ({"a": ONES.astype(np.int16) * -1}, {}, "a.tif has the id -1"),
    ({"a": ONES.astype(np.uint64) << 33}, {}, "has the id 8589934592"),
    ({"t": "no TIFF"}, {}, "t.tif"),
    ({"t": None}, {}, "There is no file"),
    ({"tree": CSV + "7,8,lost,L,1,1,1\n"}, {}, "lost (id 7) has the parent 8"),
    ({"tree": CSV + "7,9,a,A,,,\n9,7,b,B,,,\n"}, {}, "is below itself"),
    ({"tree": CSV + "5,1,again,A,,,\n"}, {}, "has id 5 twice"),
    ({"tree": "id,name\n1,root\n"}, {}, "no column for the parent"),
    ({"tree": "x"}, {}, "no column for the id"),
    ({"tree": "{"}, {}, "tree.csv: it is no JSON"),
    ({"tree": CSV.replace("5,1", "x,1")}, {}, "'x' is no id"),
    ({"tree": CSV.replace("1,2,3", "1,2,999")}, {}, "three numbers from 0 to 255"),
    ({"tree": None}, {}, "cannot be read"),
    ({}, {"voxel": None}, "do not say their voxel size. Give it as --voxel"),
    ({}, {"axes": None}, "do not say how the brain lies in them. Give --axes"),
    ({}, {"axes": "DV,AP,AP"}, "not three different directions"),
    ({}, {"axes": None, "orientation": "xyz"}, "give three of a, p, s"),
    ({}, {"voxel": "20,20"}, "--voxel is x,y,z in µm"),
    ({}, {"voxel": "20,0,20"}, "three lengths above 0"),
    ({}, {"name": "Big Name"}, "small letters, digits"),
    ({}, {"name": "../x"}, "small letters, digits"),
    ({}, {"name": None}, "Give the atlas a --name"),
    ({}, {"label": "x" * 101}, "--label has at most 100 characters"),
    ({}, {"licence": "x" * 201}, "--licence has at most 200 characters"),
    ({}, {"name": "x" * 65}, "--name has at most 64 characters"),
    ({}, {"tree": None}, "Give --template, --annotation and --tree together"),
    ({}, {"phantom": True}, "Give --template, --annotation and --tree together, or"),
    ({}, {"orientation": "coronal"}, "Give --axes or --orientation, not both"),
]


@pytest.mark.parametrize(("change", "options", "words"), WRONG, ids=[w[2][:40] for w in WRONG])
def test_what_is_wrong_is_said_and_nothing_is_imported(
    root, files, tmp_path, change, options, words
):
    _spoil(tmp_path, **change)

    assert words in refused(**{**files, **options})
    assert nothing_is_left(root)


def test_ids_without_a_name_can_be_kept(root, files, tmp_path):
    _spoil(tmp_path, a=ONES * 9)

    said = run(**files, keep_unknown=True)

    assert "9 (240 voxels). They were added at the top, named by id." in said
    assert read_tree(root / "atlases/small/structures.json")[9].label == "id 9"


def test_a_template_that_is_not_16_bit_is_scaled_and_said(root, files, tmp_path):
    _spoil(tmp_path, t=np.linspace(-1, 1, 240, dtype=np.float32).reshape(6, 8, 5))

    said = run(**files)

    assert "-1 to 1 became 0 to 65535" in said
    assert (installed(root)[0].min(), installed(root)[0].max()) == (0, 65535)


def test_the_same_files_again_change_nothing(root, files):
    run(**files)
    before = {p: p.stat().st_mtime_ns for p in (root / "atlases/small").rglob("*")}

    said = run(**files, source="Doe 2020")

    assert "was installed already" in said
    assert {p: p.stat().st_mtime_ns for p in (root / "atlases/small").rglob("*")} == before
    assert Atlas.objects.get(name="small").source == "Doe 2020"


def test_files_that_were_lost_are_put_back(root, files):
    run(**files)
    (root / "atlases/small/template.tif").unlink()

    run(**files)

    assert (root / "atlases/small/template.tif").is_file()


def test_other_files_replace_an_atlas_that_nobody_chose(root, files):
    run(**files)

    run(**files, voxel="25,25,25")

    assert Atlas.objects.get(name="small").voxel_um == (25, 25, 25)
    assert [p.name for p in (root / "atlases").iterdir() if not p.name.endswith(".lock")] == [
        "small"
    ]


def test_an_atlas_that_requests_chose_is_replaced_only_on_request(root, files, monkeypatch):
    run(**files)
    monkeypatch.setattr(atlases, "_uses", lambda row: 2)

    assert "Requests chose the atlas small already (2 times)" in refused(**files, voxel="25,25,25")
    assert Atlas.objects.get(name="small").voxel_um == (20, 20, 20)
    run(**files, voxel="25,25,25", replace=True)
    assert Atlas.objects.get(name="small").voxel_um == (25, 25, 25)


def test_a_seeded_atlas_keeps_its_label_and_place_when_it_is_installed(root, files):
    before = Atlas.objects.get(name="pma")

    run(**files, name="pma")

    after = Atlas.objects.get(name="pma")
    assert (after.pk, after.label, after.position) == (before.pk, before.label, before.position)
    assert (before.is_installed, after.is_installed) == (False, True)


@pytest.mark.parametrize("step", ["write_durably", "write_volume", "sync_folder"])
def test_a_failure_in_the_middle_leaves_the_atlas_as_it_was(root, files, monkeypatch, step):
    run(**files)
    row = Atlas.objects.values().get(name="small")
    before = installed(root)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, step, full)
    with pytest.raises(OSError, match="No space"):
        run(**files, voxel="25,25,25")

    monkeypatch.undo()
    assert Atlas.objects.values().get(name="small") == row
    assert np.array_equal(installed(root), before)
    assert [p.name for p in (root / "atlases").iterdir() if not p.name.endswith(".lock")] == [
        "small"
    ]


def test_files_are_put_back_if_the_row_cannot_be_saved(root, files, volumes, monkeypatch):
    run(**files)

    def broken(*_):
        raise RuntimeError("no database")

    monkeypatch.setattr(atlases, "_described", broken)
    with pytest.raises(RuntimeError):
        run(**files, axes="VD,AP,LR")

    assert np.array_equal(installed(root)[1], volumes[1])
    assert Atlas.objects.get(name="small").voxel_um == (20, 20, 20)


def test_what_a_killed_import_left_is_tidied(root, files):
    run(**files)
    folder = root / "atlases"
    (folder / ".small.importing").mkdir()
    (folder / "small").rename(folder / ".small.old")

    assert "was installed already" in run(**files)
    assert (folder / "small/template.tif").is_file()
    assert not (folder / ".small.importing").exists()


def test_two_imports_of_one_atlas_at_once_are_refused(root, files):
    with folders.draft_of(root, "small"):
        assert "is being imported already" in refused(**files)


def test_processing_asks_for_an_installed_atlas(root, files):
    row = Atlas.objects.get(name="pma")

    with pytest.raises(NotReady, match=r"not installed.*import_atlas --name pma"):
        atlases.require_installed(row)
    with pytest.raises(NotReady, match="No atlas was chosen"):
        atlases.require_installed(None)
    run(**files, name="pma")

    assert atlases.require_installed(Atlas.objects.get(name="pma")).regions == 2


def test_the_console_says_what_is_installed(root, files, client, admin_person):
    run(**files, source="Doe 2020")
    client.force_login(admin_person, backend="django.contrib.auth.backends.ModelBackend")

    page = client.get(reverse("admin:processing_app_atlas_changelist")).content.decode()
    one = Atlas.objects.get(name="small")
    form = client.get(reverse("admin:processing_app_atlas_change", args=[one.pk])).content.decode()

    assert "20 × 20 × 20" in page
    assert "Doe 2020" in page
    assert "5 × 8 × 6" in form
    assert "manage.py import_atlas" in form
    assert 'name="voxel_x_um"' not in form


def test_an_atlas_without_files_can_still_be_offered_by_hand(client, admin_person):
    client.force_login(admin_person, backend="django.contrib.auth.backends.ModelBackend")

    client.post(
        reverse("admin:processing_app_atlas_add"),
        {
            "name": "rat", "label": "Rat", "voxel_x_um": "39", "voxel_y_um": "39",
            "voxel_z_um": "39", "orientation": "sagittal", "is_offered": "on", "position": "9",
        },
    )  # fmt: skip

    row = Atlas.objects.get(name="rat")
    assert (row.is_offered, row.is_installed) == (True, False)
