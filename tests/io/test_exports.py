"""What is made of a mask: surfaces that are closed and lie in the patient, volumes, names and colours for ITK-SNAP."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from napari_unet.annotation import ClassInfo, new_class
from napari_unet.errors import BadInput
from napari_unet.io import EXPORT_SUFFIXES, Mask, export, read_mask, read_scan_or_mask, write_mask
from napari_unet.io.label_descriptions import read_label_descriptions
from napari_unet.io.surface import surface_of
from napari_unet.scan import Geometry


def ball(geometry, radius=9.0):
    """A ball around the middle of a grid, in mm, and its centre in LPS."""
    labels = np.zeros((24, 26, 28), np.uint8)
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in labels.shape[::-1]), indexing="ij"), -1)
    places = voxels @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    centre = np.array([14, 13, 12]) @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    labels[(np.linalg.norm(places - centre, axis=-1) <= radius).T] = 3
    return Mask(labels, "ZYX", geometry.spacing, "mm", geometry, (new_class(3, "ball"),)), centre


def open_edges(triangles):
    """Count edges that do not have exactly as many triangles on one side as on the other."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    towards, counts = np.unique(edges, axis=0, return_counts=True)
    back, others = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    return len(towards) if not np.array_equal(towards, back) else int((counts != others).sum())


def read_stl(path):
    raw = path.read_bytes()
    assert len(raw) == 84 + 50 * int.from_bytes(raw[80:84], "little")
    rows = np.frombuffer(raw[84:], np.uint8).reshape(-1, 50)[:, :48].copy().view("<f4").reshape(-1, 4, 3)
    return raw[:80], rows[:, 0], rows[:, 1:]


def test_a_surface_is_closed_and_lies_where_the_class_lies(place):
    geometry = Geometry(place[0])
    mask, centre = ball(geometry, 4 * max(geometry.spacing))
    surface = surface_of(mask, 3)
    assert open_edges(surface.triangles) == 0
    assert surface.enclosed == pytest.approx((mask.labels == 3).sum() * np.prod(mask.spacing), rel=0.05)
    middle = (surface.vertices.min(axis=0) + surface.vertices.max(axis=0)) / 2
    np.testing.assert_allclose(middle, centre, atol=0.51 * max(geometry.spacing))


def test_a_class_that_fills_the_grid_or_touches_itself_at_corners_is_closed_too():
    labels = np.ones((3, 4, 5), np.uint8)
    surface = surface_of(Mask(labels, unit="mm"), 1)
    assert open_edges(surface.triangles) == 0
    assert surface.vertices.min() == -0.5
    chess = (np.indices((6, 6, 6)).sum(axis=0) % 2).astype(np.uint8)
    assert open_edges(surface_of(Mask(chess), 1).triangles) == 0


def test_stl_files_are_named_by_class_and_face_outwards(tmp_path, place):
    mask, centre = ball(Geometry(place[0]), 4 * max(Geometry(place[0]).spacing))
    (path,) = export(tmp_path / "ball.stl", mask)
    head, normals, corners = read_stl(path)
    assert b"SPACE=LPS" in head
    outwards = np.einsum("ij,ij->i", corners.mean(axis=1) - centre, normals)
    assert (outwards > 0).mean() > 0.99
    mask.labels[0, 0, :2] = 7
    files = export(tmp_path / "two.stl", replace(mask, classes=(new_class(3, "ball"), new_class(7, "a / b"))))
    assert [file.name for file in files] == ["two-3-ball.stl", "two-7-a_b.stl"]


def test_an_obj_file_has_an_object_for_each_class(tmp_path):
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[1:3, 1:3, 1:3], labels[0, 0, 0] = 1, 2
    mask = Mask(labels, classes=(new_class(1, "one"), new_class(2, "two  2"), new_class(9, "none")))
    (path,) = export(tmp_path / "both.obj", mask)
    lines = path.read_text().splitlines()
    assert lines[0] == "# napari-unet SPACE=LPS"
    assert [line for line in lines if line.startswith("o ")] == ["o one", "o two 2"]
    vertices = sum(line.startswith("v ") for line in lines)
    faces = [int(n) for line in lines if line.startswith("f ") for n in line.split()[1:]]
    assert (min(faces), max(faces)) == (1, vertices)


def test_what_has_no_surface_says_so(tmp_path):
    with pytest.raises(BadInput, match="empty"):
        export(tmp_path / "a.stl", Mask(np.zeros((2, 2, 2), np.uint8), classes=(new_class(1),)))
    with pytest.raises(BadInput, match="series"):
        export(tmp_path / "a.stl", Mask(np.ones((2, 2, 2, 2), np.uint8), "TZYX", classes=(new_class(1),)))
    assert not list(tmp_path.iterdir())


def test_volumes_are_in_ml(tmp_path):
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[:2, :, 0] = 1
    classes = (ClassInfo(label=1, name='Leber, "é"', colour=(1, 0, 0)), new_class(2, "nothing"))
    (path,) = export(tmp_path / "a.csv", Mask(labels, "ZYX", (10.0, 2.0, 5.0), "mm", None, classes))
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {"label": "1", "name": 'Leber, "é"', "voxels": "10", "ml": "1"}
    assert rows[1]["ml"] == "0"


def test_a_series_has_volumes_one_by_one_and_pixels_have_none(tmp_path):
    labels = np.stack([np.full((2, 3, 4), n, np.uint8) for n in (0, 1)])
    (path,) = export(tmp_path / "a.csv", Mask(labels, "TZYX", classes=(new_class(1, "one"),)))
    assert path.read_text("utf-8-sig").splitlines() == ["volume,label,name,voxels,ml", "0,1,one,0,", "1,1,one,24,"]


def test_label_descriptions_go_out_and_come_in(tmp_path, mask):
    (path,) = export(tmp_path / "labels.txt", mask)
    read = read_label_descriptions(path)
    assert [info.label for info in read] == [info.label for info in mask.classes]
    assert read[1].name == mask.classes[1].name.replace('"', "'")
    for one, other in zip(read, mask.classes, strict=True):
        np.testing.assert_allclose(one.colour, other.colour, atol=0.5 / 255)
    assert b"\r" not in path.read_bytes()
    assert path.read_text("utf-8").count('"') == 2 * (len(mask.classes) + 1)


def test_names_beside_a_mask_are_read_with_it(tmp_path):
    import nibabel as nib

    nib.save(nib.Nifti1Image(np.uint8([[[1, 0, 4]]]), np.eye(4)), tmp_path / "case.nii.gz")
    (tmp_path / "case.txt").write_text('# ITK-SnAP Label Description File\r\n  4  255 0 51  0.5  1 1  "liver"\r\n\r\n')
    assert read_mask(tmp_path / "case.nii.gz").classes == (
        new_class(1),
        ClassInfo(label=4, name="liver", colour=(1.0, 0.0, 0.2)),
    )
    (tmp_path / "case.txt").write_text("Dear colleague, the mask is attached.")
    assert read_mask(tmp_path / "case.nii.gz").classes == (new_class(1), new_class(4))


def test_a_masks_own_names_count_more_than_those_beside_it(tmp_path):
    write_mask(tmp_path / "case.nii.gz", Mask(np.ones((2, 2), np.uint8), "YX", classes=(new_class(1, "own"),)))
    (tmp_path / "case.txt").write_text('1 255 0 51 1 1 1 "other"')
    assert read_mask(tmp_path / "case.nii.gz").classes[0].name == "own"
    assert read_scan_or_mask(tmp_path / "case.nii.gz").classes[0].name == "own"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('1 2 3 4 1 1 1 "a"\n1 2 3 4 1 1 1 "b"', "twice"),
        ('300 2 3 4 1 1 1 "a"', "254 is the largest"),
        ('1 2 3 256 1 1 1 "a"', "line 1"),
        ("# comment\n1 2 3 4 1 1 1 a", "line 2"),
        ("1 2", "line 1"),
        ("\0\1\2" * 9, "line 1"),
    ],
)
def test_damaged_label_descriptions_are_refused(tmp_path, text, said):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(BadInput, match=said):
        read_label_descriptions(tmp_path / "a.txt")


@pytest.mark.parametrize(
    "suffix", [suffix for suffix in EXPORT_SUFFIXES if suffix not in (".dcm", ".ome.zarr", ".zarr")]
)
def test_an_export_that_fails_leaves_the_old_file(tmp_path, suffix):
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of files")
    noise = np.random.default_rng(0).integers(0, 3, (12, 64, 64)).astype(np.uint8)
    classes = tuple(new_class(label, "long name " * 30) for label in range(1, 3))
    path = tmp_path / f"mask{suffix}"
    (old,) = export(path, Mask(np.eye(4, dtype=np.uint8)[None], classes=(new_class(1),)))
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(BadInput, match="mask"):
            export(path, Mask(noise, classes=classes))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert old.is_file()


@pytest.mark.parametrize("suffix", sorted({*EXPORT_SUFFIXES} - {".dcm"}))
def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch, suffix):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", denied)  # root may write anywhere
    with pytest.raises(BadInput, match=r"Permission denied\. Choose a folder you may write to"):
        export(tmp_path / f"mask{suffix}", Mask(np.ones((2, 3, 4), np.uint8), classes=(new_class(1),)))
    assert not list(tmp_path.iterdir())


def test_an_unknown_suffix_is_refused_with_those_that_are_known(tmp_path):
    with pytest.raises(BadInput, match=r"\.stl"):
        export(tmp_path / "a.docx", Mask(np.ones((2, 2), np.uint8), "YX"))
