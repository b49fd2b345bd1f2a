"""What is written as a mask is read back as it was: by this program and by others."""

import gzip
import zlib
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_unet.annotation import ClassInfo, new_class
from napari_unet.errors import BadInput
from napari_unet.io import FORMATS, Mask, check_mask_fits, read_mask, read_scan, read_scan_or_mask, write_mask
from napari_unet.scan import Geometry, Scan

ALONE = tuple(suffix for known in FORMATS if known.writes and not known.names_patient for suffix in known.suffixes)
"""A DICOM segmentation lies on its series: it has tests of its own."""
PLACED = tuple(suffix for known in FORMATS if known.geometry for suffix in known.suffixes if suffix in ALONE)
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def affine_of(image):
    """LPS matrix of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return affine


def assert_same(read, written, placed=True):
    assert read.axes == written.axes
    assert read.labels.dtype == np.uint8
    np.testing.assert_array_equal(read.labels, written.labels)
    assert read.unit == written.unit
    np.testing.assert_allclose(read.spacing, written.spacing, rtol=0, atol=1e-4)
    if placed:
        assert (read.geometry is None) == (written.geometry is None)
        if written.geometry is not None:
            np.testing.assert_allclose(read.geometry.affine, written.geometry.affine, rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", ALONE)
def test_a_mask_comes_back_as_it_was(tmp_path, mask, suffix):
    path = write_mask(tmp_path / f"mask{suffix}", mask)
    read = read_mask(path)
    assert_same(read, mask, placed=suffix in PLACED)
    assert read.classes == mask.classes
    assert (read.labels == 255).any()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", PLACED)
def test_another_library_reads_the_same_voxels_at_the_same_place(tmp_path, mask, suffix):
    path = write_mask(tmp_path / f"mask{suffix}", mask)
    image = sitk.ReadImage(str(path))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), mask.labels)
    assert image.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_allclose(affine_of(image), mask.geometry.affine, rtol=0, atol=1e-4)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nibabel_sees_a_label_image_in_ras(tmp_path, mask, suffix):
    image = nib.load(write_mask(tmp_path / f"mask{suffix}", mask))
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, mask.labels)
    np.testing.assert_allclose(image.affine, RAS @ mask.geometry.affine, atol=1e-4)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_intent()[0] == "label"
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header["descrip"] == image.header["aux_file"] == image.header["db_name"] == b""


def test_a_nrrd_file_reads_without_any_library(tmp_path, mask):
    raw = write_mask(tmp_path / "mask.nrrd", mask).read_bytes()
    head, _, body = raw.partition(b"\n\n")
    fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if ": " in line and ":=" not in line)
    assert fields["sizes"] == " ".join(str(n) for n in reversed(mask.labels.shape))
    assert fields["space"] == "left-posterior-superior"
    assert gzip.decompress(body) == mask.labels.tobytes()


def test_a_metaimage_reads_without_any_library(tmp_path, mask):
    body = write_mask(tmp_path / "mask.mha", mask).read_bytes().partition(b"ElementDataFile = LOCAL\n")[2]
    assert zlib.decompress(body) == mask.labels.tobytes()


def test_other_programs_see_a_tiff_with_its_spacing(tmp_path, mask):
    path = write_mask(tmp_path / "mask.tif", mask)
    with Image.open(path) as picture:
        for z, labels in enumerate(mask.labels):
            picture.seek(z)
            np.testing.assert_array_equal(np.asarray(picture), labels)
    with tifffile.TiffFile(path) as file:
        across, number = file.pages[0].tags["XResolution"].value
        assert file.imagej_metadata["unit"] == "mm"
        assert file.imagej_metadata["spacing"] == pytest.approx(mask.spacing[0])
        assert number / across == pytest.approx(mask.spacing[2])


def test_3d_slicer_finds_its_segments(tmp_path, mask):
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(write_mask(tmp_path / "mask.seg.nrrd", mask)))
    reader.ReadImageInformation()
    fields = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
    assert fields["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert fields["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    extent = " ".join(f"0 {n - 1}" for n in reversed(mask.labels.shape))
    for number, info in enumerate(mask.classes):
        assert fields[f"Segment{number}_Name"] == info.name
        assert fields[f"Segment{number}_LabelValue"] == str(info.label)
        assert tuple(map(float, fields[f"Segment{number}_Color"].split())) == info.colour
        assert fields[f"Segment{number}_Layer"] == "0"
        assert fields[f"Segment{number}_Extent"] == extent
        assert fields[f"Segment{number}_Tags"].endswith("|")
    assert fields[f"Segment{len(mask.classes)}_LabelValue"] == "255"
    assert len({fields[f"Segment{n}_ID"] for n in range(len(mask.classes) + 1)}) == len(mask.classes) + 1


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (6, 5)), ("TZYX", (2, 3, 6, 5)), ("TZYX", (1, 3, 6, 5)), ("TZYX", (2, 1, 6, 5)), ("TYX", (3, 6, 5)),
        ("YXT", (6, 5, 2)), ("ZYX", (1, 1, 1)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("suffix", ALONE)
def test_axes_come_back_as_the_user_knows_them(tmp_path, axes, shape, placed, suffix):
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape) % 3
    geometry = Geometry.from_spacing((3.0, 0.7, 0.9), (1.0, -2.0, 3.0)) if placed else None
    written = Mask(labels, axes, (3.0, 0.7, 0.9) if placed else (1.0, 1.0, 1.0), "mm" if placed else "pixel", geometry)
    path = tmp_path / f"mask{suffix}"
    if suffix == ".seg.nrrd" and "T" in axes:
        with pytest.raises(BadInput, match="one volume"):
            write_mask(path, written)
        assert not path.exists()
        return
    write_mask(path, written)
    assert_same(read_mask(path), written, placed=suffix in PLACED)


@pytest.mark.parametrize("suffix", ALONE)
def test_a_spacing_in_pixels_is_not_taken_for_millimetres(tmp_path, suffix):
    written = Mask(np.eye(5, dtype=np.uint8)[None], spacing=(4.0, 1.0, 1.0), unit="pixel")
    read = read_mask(write_mask(tmp_path / f"mask{suffix}", written))
    assert (read.spacing, read.unit, read.geometry) == ((4.0, 1.0, 1.0), "pixel", None)


@pytest.mark.parametrize(("there", "name"), [("a.nii", "a.nii.gz"), ("a.nii.gz", "a.nii"), ("A.NII", "A.NII.gz")])
def test_a_mask_that_itk_would_take_for_another_file_is_refused(tmp_path, there, name):
    """ITK takes the voxels of a.nii for those of a.nii.gz, with the header of the latter."""
    write_mask(tmp_path / there, Mask(np.zeros((2, 3, 4), np.uint8)))
    with pytest.raises(BadInput, match="ITK"):
        write_mask(tmp_path / name, Mask(np.ones((2, 3, 4), np.uint8)))
    with pytest.raises(BadInput, match="ITK"):
        check_mask_fits(tmp_path / name, Scan.from_array(np.zeros((2, 3, 4))))
    assert [entry.name for entry in tmp_path.iterdir()] == [there]


def test_five_axes_do_not_fit(tmp_path):
    with pytest.raises(BadInput, match="TPZYX"):
        write_mask(tmp_path / "mask.nii.gz", Mask(np.zeros((1, 2, 3, 4, 5), np.uint8), "TPZYX"))


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (2, 1), (1, 2), (0, 1), (4, 0), (0, 0)])
@pytest.mark.parametrize("differ", [False, True])
def test_a_mask_lies_on_its_nifti_scan_for_every_program(tmp_path, sform, qform, differ):
    """Programs differ in which form they believe; a mask must have both, with their codes, from its scan."""
    image = nib.Nifti1Image(np.zeros((5, 6, 4), np.int16), None)
    image.header.set_zooms((0.7, 0.8, 3.0))
    image.header.set_xyzt_units("mm")
    first, second = (np.diag([-0.7, 0.8, 3.0, 1.0]) for _ in range(2))
    second[:3, 3] = [100.0, 0.0, 5.0] if differ else 0.0
    image.set_sform(first, sform)
    image.set_qform(second, qform)
    nib.save(image, tmp_path / "scan.nii.gz")
    scan = read_scan(tmp_path / "scan.nii.gz")
    path = write_mask(tmp_path / "mask.nii.gz", Mask.on(scan, np.ones(scan.mask_shape, np.uint8)))
    written, source = nib.load(path).header, nib.load(tmp_path / "scan.nii.gz").header
    assert int(written["sform_code"]) == sform
    assert int(written["qform_code"]) == qform
    for name in ("srow_x", "srow_y", "srow_z") if sform else ():
        np.testing.assert_allclose(written[name], source[name], atol=1e-4)
    if qform:
        np.testing.assert_allclose(written.get_qform(), source.get_qform(), atol=1e-4)
    np.testing.assert_allclose(nib.load(path).affine, image.affine, atol=1e-4)
    by_itk = [affine_of(sitk.ReadImage(str(file))) for file in (path, tmp_path / "scan.nii.gz")]
    np.testing.assert_allclose(*by_itk, atol=1e-4)
    assert_same(read_mask(path), Mask.on(scan, np.ones(scan.mask_shape, np.uint8)))


def test_labels_without_a_name_get_one_and_those_of_background_go(tmp_path):
    labels = np.array([[0, 3, 255]], np.uint8)
    background = ClassInfo(label=0, name="background", colour=(0, 0, 0))
    read = read_mask(write_mask(tmp_path / "mask.nrrd", Mask(labels, "YX", classes=(background,))))
    assert read.classes == (new_class(3),)


def test_whole_numbers_stored_as_floats_are_labels(tmp_path):
    nib.save(nib.Nifti1Image(np.float64([[[2.0, 5.0, 0.0]]]), np.eye(4)), tmp_path / "a.nii.gz")
    read = read_mask(tmp_path / "a.nii.gz")
    assert read.labels.ravel().tolist() == [2, 5, 0]
    assert [info.label for info in read.classes] == [2, 5]


def test_slicer_segments_keep_their_own_label_values(tmp_path):
    image = sitk.GetImageFromArray(np.array([[[0, 4, 9]]], np.int16))
    for key, text in {
        "Segment0_Name": "liver", "Segment0_LabelValue": "9", "Segment0_Color": "1 0.5 0",
        "Segment1_Name": "", "Segment1_LabelValue": "4",
    }.items():  # fmt: skip
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(tmp_path / "a.seg.nrrd"))
    read = read_mask(tmp_path / "a.seg.nrrd")
    assert read.classes == (new_class(4), ClassInfo(label=9, name="liver", colour=(1.0, 0.5, 0.0)))


def test_a_mask_goes_onto_its_scan_only(mask):
    scan = Scan.from_array(np.zeros(mask.labels.shape), geometry=mask.geometry, unit="mm", name="thorax")
    np.testing.assert_array_equal(mask.folded_onto(scan), mask.labels)
    np.testing.assert_array_equal(replace(mask, geometry=None).folded_onto(scan), mask.labels)
    flipped = mask.geometry.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    with pytest.raises(BadInput, match="thorax"):
        replace(mask, geometry=Geometry(flipped)).folded_onto(scan)
    cropped = replace(mask, labels=np.zeros((9, 9, 9), np.uint8))
    with pytest.raises(BadInput, match="--onto"):
        cropped.folded_onto(scan)
    with pytest.raises(BadInput, match="paint on a layer"):
        replace(cropped, geometry=None).folded_onto(scan)


def test_a_flat_mask_goes_onto_a_flat_scan_saved_as_one_slice():
    flat, one_slice = np.eye(4, dtype=np.uint8), Scan.from_array(np.zeros((1, 4, 4)))
    assert Mask(flat, "YX").folded_onto(one_slice).shape == (1, 4, 4)
    assert Mask(flat[None]).folded_onto(Scan.from_array(np.zeros((4, 4)))).shape == (1, 4, 4)


@pytest.mark.parametrize(("labels", "axes"), [(np.zeros((2, 2), np.int32), "YX"), (np.zeros((2, 2), np.uint8), "ZYX")])
def test_a_mask_is_checked_when_it_is_made(labels, axes):
    with pytest.raises(BadInput):
        Mask(labels, axes)


@pytest.mark.parametrize("suffix", ALONE)
def test_a_mask_says_that_it_is_one(tmp_path, mask, suffix):
    found = read_scan_or_mask(write_mask(tmp_path / f"mask{suffix}", mask))
    assert isinstance(found, Mask)
    assert found.classes == mask.classes


def test_an_image_is_a_scan_and_so_are_thousands_of_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((3, 4)))
    assert isinstance(read_scan_or_mask(tmp_path / "a.npy"), Scan)
    cells = nib.Nifti1Image(np.arange(1000, dtype=np.int16).reshape(10, 10, 10), np.eye(4))
    cells.header.set_intent("label")
    nib.save(cells, tmp_path / "cells.nii")
    assert isinstance(read_scan_or_mask(tmp_path / "cells.nii"), Scan)
