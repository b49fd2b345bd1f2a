"""Whatever scan a mask was made on, by whatever library it was written: the mask lies on it, for every program.

Scans in any position, of any usual type, flat or with time, are written by other libraries, read here, given a mask,
which is written in every format that holds positions, and read by a library that did not write it.
"""

import nibabel as nib
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
import slicerio
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from napari_unet.annotation import ClassInfo, new_class
from napari_unet.io import FORMATS, Mask, read_mask, read_scan, write_mask

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
NIFTI, ITK = (".nii.gz", ".nii"), (".nrrd", ".mha")
PLACED = [s for known in FORMATS if known.writes and known.geometry and not known.names_patient for s in known.suffixes]
CLASSES = (new_class(1, "one"), new_class(2, "two"), new_class(200, "two hundred"))

quick = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def affines(draw):
    """LPS matrices: turned about all axes, flipped, with axes exchanged, in steps of 0.1 to 10 mm."""
    a, b, c = (draw(st.sampled_from([0.0, 90.0, 180.0]) | st.floats(-180, 180)) for _ in range(3))
    turns = [np.eye(3) for _ in range(3)]
    for turn, angle, (i, j) in zip(turns, np.deg2rad([a, b, c]), ((0, 1), (1, 2), (0, 2)), strict=True):
        turn[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    flips = np.diag([draw(st.sampled_from([-1.0, 1.0])) for _ in range(3)])
    affine = np.eye(4)
    affine[:3, :3] = turns[0] @ turns[1] @ turns[2] @ flips @ np.diag([draw(st.floats(0.1, 10)) for _ in range(3)])
    affine[:3, 3] = [draw(st.floats(-400, 400)) for _ in range(3)]
    return affine


@st.composite
def scans(draw, narrowest=1):
    """(array of a usual type with the axes ZYX or TZYX, LPS matrix)."""
    shape = draw(st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(narrowest, 5)))
    shape = draw(st.sampled_from([(), (2,), (3,)])) + shape
    kind = np.dtype(draw(st.sampled_from(["uint8", "uint16", "int16", "float32"])))
    numbers = st.integers(0, 200) if kind.kind != "f" else st.floats(-1000, 1000, width=16)
    return draw(of_numpy.arrays(kind, shape, elements=numbers)), draw(affines())


def three_labels(array):
    """Make labels 0, 1 and 2 of any numbers; of fractions, the whole part: just below 0, their rest is rounded to 3."""
    return (array.astype(np.int64) % 3).astype(np.uint8)


def written_by_others(path, array, affine):
    if path.name.endswith(NIFTI):
        image = nib.Nifti1Image(array.T, RAS @ affine)
        image.set_qform(RAS @ affine, 1)
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, path)
        return path
    image = sitk.GetImageFromArray(array, isVector=False)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    further = array.ndim - 3
    directions = np.eye(array.ndim)
    directions[:3, :3] = affine[:3, :3] / steps
    image.SetSpacing([*steps.tolist(), *[1.0] * further])
    image.SetOrigin([*affine[:3, 3].tolist(), *[0.0] * further])
    image.SetDirection(directions.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def seen_by_others(path, axes):
    """(labels with T, Z, Y, X, LPS matrix), by a library that this program did not write the file with."""
    if path.name.endswith(NIFTI):
        image = sitk.ReadImage(str(path))
        affine = np.eye(4)
        n = image.GetDimension()
        affine[:3, :3] = (np.reshape(image.GetDirection(), (n, n)) * image.GetSpacing())[:3, :3]
        affine[:3, 3] = image.GetOrigin()[:3]
        return sitk.GetArrayFromImage(image), affine
    if path.name.endswith("nrrd"):
        labels, header = nrrd.read(str(path))
        steps = np.asarray(header["space directions"])[:3, :3]
        affine = np.eye(4)
        affine[:3] = np.column_stack([*steps, header["space origin"][:3]])
        return labels.T, affine
    raw = path.read_bytes()
    assert raw.startswith(b"ObjectType = Image")  # there is no second library: read by hand as it is written
    mask = read_mask(path)
    return mask.labels, mask.geometry.affine


@quick
@given(scan=scans(), source=st.sampled_from([*NIFTI, *ITK]), target=st.sampled_from(PLACED))
def test_a_mask_lies_on_its_scan_for_every_program(tmp_path, scan, source, target):
    array, affine = scan
    read = read_scan(written_by_others(tmp_path / f"scan{source}", array, affine))
    back = read.unfold(read.array[0]).reshape(array.shape)
    np.testing.assert_array_equal(back, array)
    np.testing.assert_allclose(read.geometry.affine, affine, rtol=0, atol=1e-4)
    labels = three_labels(back).reshape(read.mask_shape)
    labels.flat[0] = 200
    if read.folded and target == ".seg.nrrd":
        target = ".nrrd"
    # Each format has its own name: where mask.nii lies beside mask.nii.gz, ITK takes the voxels of the former for both.
    path = write_mask(tmp_path / f"{target[1:].replace('.', '')}{target}", Mask.on(read, labels, CLASSES))
    ours = read_mask(path)
    np.testing.assert_array_equal(ours.labels, labels)
    np.testing.assert_allclose(ours.geometry.affine, affine, rtol=0, atol=1e-4)
    assert ours.classes == CLASSES
    theirs, place = seen_by_others(path, read.axes)
    np.testing.assert_array_equal(theirs.reshape(labels.shape), labels)
    np.testing.assert_allclose(place, affine, rtol=0, atol=1e-4)


@quick
@given(scan=scans(narrowest=2), target=st.sampled_from([".tif", ".ome.tif"]))  # tifffile drops a last axis of length 1
def test_a_tiff_keeps_voxels_and_spacing(tmp_path, scan, target):
    array, affine = scan
    labels = three_labels(array)
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist())
    mask = Mask(labels, "TZYX"[-labels.ndim :], spacing, "mm", classes=CLASSES)
    path = write_mask(tmp_path / f"mask{target}", mask)
    ours = read_mask(path)
    np.testing.assert_array_equal(ours.labels, labels)
    np.testing.assert_allclose(ours.spacing, spacing, rtol=1e-6, atol=1e-4)
    assert (ours.axes, ours.classes) == (mask.axes, CLASSES)
    image = sitk.ReadImage(str(path))  # pages only, as most programs see it
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).reshape(labels.shape), labels)


@quick
@given(kind=st.sampled_from(["uint8", "uint16", "int16", "float32"]), shape=st.tuples(*[st.integers(2, 5)] * 3))
def test_a_tiff_scan_of_any_type_keeps_its_voxels(tmp_path, kind, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(kind)
    tifffile.imwrite(tmp_path / "a.ome.tif", array, photometric="minisblack", metadata={"axes": "ZYX"})
    scan = read_scan(tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(scan.array.reshape(shape), array)


@pytest.mark.parametrize("slices", [1, 5])
@pytest.mark.parametrize("cosines", [None, [1, 0, 0, 0, 1, 0], [0, -1, 0, 0, 0, -1], [-1, 0, 0, 0, -1, 0]], ids=str)
def test_a_segmentation_lies_on_its_series_for_pydicom(tmp_path, dicom_folder, slices, cosines):
    scan = read_scan(dicom_folder(slices=slices, orientation=cosines))
    labels = np.random.default_rng(0).choice(np.array([0, 0, 1, 2, 200], np.uint8), scan.mask_shape)
    file = pydicom.dcmread(write_mask(tmp_path / "mask.dcm", Mask.on(scan, labels, CLASSES)))
    seen = np.zeros_like(labels)
    for frame, group in zip(
        file.pixel_array.reshape(-1, *labels.shape[1:]), file.PerFrameFunctionalGroupsSequence, strict=True
    ):
        position = [*map(float, group.PlanePositionSequence[0].ImagePositionPatient), 1.0]
        x, y, z = (np.linalg.inv(scan.geometry.affine) @ position)[:3]
        np.testing.assert_allclose((x, y, z), (0, 0, round(z)), atol=1e-4)
        seen[round(z)][frame > 0] = CLASSES[group.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1].label
    np.testing.assert_array_equal(seen, labels)


def test_slicerio_finds_names_colours_and_voxels(tmp_path):
    classes = (
        ClassInfo(label=2, name="right lung", colour=(0.25, 0.5, 0.75)),
        ClassInfo(label=9, name="tumour", colour=(1, 0, 0)),
    )
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1, 2:4], labels[2, 1, 3] = 2, 9
    path = write_mask(tmp_path / "a.seg.nrrd", Mask(labels, "ZYX", (3.0, 0.5, 0.5), "mm", classes=classes))
    found = slicerio.read_segmentation(str(path))
    assert [(s["name"], s["labelValue"], tuple(s["color"])) for s in found["segments"]] == [
        (info.name, info.label, info.colour) for info in classes
    ]
    np.testing.assert_array_equal(found["voxels"].T, labels)
    one = slicerio.extract_segments(found, [("tumour", 1)])
    np.testing.assert_array_equal(one["voxels"].T, labels == 9)
