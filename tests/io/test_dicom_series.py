"""A DICOM series becomes one volume, or a sentence that says why not."""

import pickle
import re

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import DeflatedExplicitVRLittleEndian, SegmentationStorage, generate_uid

from napari_unet.errors import BadInput
from napari_unet.io import read_scan
from napari_unet.io.dicom import headers
from napari_unet.io.questions import Several, Uneven


def test_slices_are_sorted_by_position_and_spaced_by_it(dicom_folder):
    folder = dicom_folder(slices=6, step=2.5)
    scan = read_scan(folder)
    assert scan.mask_shape == (6, 8, 9)
    assert scan.array.dtype == np.int16
    expected = np.arange(72).reshape(8, 9) - 1000 + 100 * np.arange(6)[:, None, None]
    np.testing.assert_array_equal(scan.array[0], expected)
    np.testing.assert_allclose(scan.spacing, (2.5, 0.75, 0.5), atol=1e-6)
    assert scan.unit == "mm"


def test_it_lies_where_every_header_says(dicom_folder):
    folder = dicom_folder()
    affine = read_scan(folder).geometry.affine
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        z = int(header.pixel_array[0, 0]) // 100
        np.testing.assert_allclose(affine @ [0, 0, z, 1], [*header.ImagePositionPatient, 1], atol=1e-4)
    assert np.linalg.det(affine[:3, :3]) > 0


def test_gdcm_agrees(dicom_folder):
    folder = dicom_folder()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image, scan = reader.Execute(), read_scan(folder)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), scan.array[0])
    np.testing.assert_allclose(image.GetOrigin(), scan.geometry.affine[:3, 3], atol=1e-4)
    np.testing.assert_allclose(image.GetSpacing(), scan.spacing[::-1], atol=1e-4)


def test_any_file_stands_for_its_series(dicom_folder, tmp_path):
    folder = dicom_folder(number=1)
    dicom_folder(number=2, slices=4, into=folder)
    (folder / "notes.txt").write_text("not an image")
    assert read_scan(folder / "01-003-0.dcm").mask_shape[0] == 6
    bare = (folder / "02-003-0.dcm").rename(folder / "IM0003")
    assert read_scan(bare).mask_shape[0] == 4


def test_several_series_are_listed_and_one_is_chosen(dicom_folder):
    folder = dicom_folder(number=1)
    uid = generate_uid()
    dicom_folder(number=2, slices=4, uid=uid, into=folder)
    with pytest.raises(
        BadInput, match=r"1 \(CT thin slices, 6 images of 8 x 9\); 2 \(CT thin slices, 4 images of 8 x 9\).*--series"
    ):
        read_scan(folder)
    assert read_scan(folder, series="2").mask_shape[0] == read_scan(folder, series=uid).mask_shape[0] == 4
    with pytest.raises(BadInput, match='no series "9"'):
        read_scan(folder, series="9")


def test_series_of_one_number_go_by_their_uid(dicom_folder):
    folder, uids = dicom_folder(uid="1.2.30", number=1), ("1.2.30", "1.2.31")
    dicom_folder(uid="1.2.31", number=1, slices=4, into=folder.parent / "more")
    for file in (folder.parent / "more").iterdir():
        file.rename(folder / f"more-{file.name}")
    for wanted in (None, "1"):
        with pytest.raises(BadInput) as refused:
            read_scan(folder, series=wanted)
        assert all(f"{uid} (CT" in str(refused.value) for uid in uids)
    assert [read_scan(folder, series=uid).mask_shape[0] for uid in uids] == [6, 4]


def test_a_missing_slice_is_refused_with_its_place(dicom_folder):
    with pytest.raises(BadInput, match=r"slices 3 and 4.*5\.00 mm apart.*others 2\.50 mm"):
        read_scan(dicom_folder(skip=(3,)))


def test_a_missing_slice_is_overlooked_when_asked(dicom_folder):
    folder = dicom_folder(skip=(3,))
    with pytest.raises(Uneven, match="--assume-even-spacing") as refused:
        read_scan(folder)
    assert "All 5 slices are taken as 3.12 mm apart" in refused.value.assumption
    assert "up to 1.25 mm" in refused.value.assumption
    scan = read_scan(folder, assume_even_spacing=True)
    assert scan.mask_shape == (5, 8, 9)
    assert scan.spacing[0] == pytest.approx(3.125)
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.assumption) == (str(refused.value), refused.value.assumption)


def test_subfolders_are_looked_into_when_the_folder_holds_no_images(dicom_folder, tmp_path):
    disk = tmp_path / "disk"
    for n in (1, 2):
        (disk / f"SE{n}").mkdir(parents=True)
        dicom_folder(number=n, slices=n + 3, into=disk / f"SE{n}")
    with pytest.raises(Several) as refused:
        read_scan(disk)
    choices = pickle.loads(pickle.dumps(refused.value)).choices
    assert [(c.number, c.description, c.images, c.size) for c in choices] == [
        ("1", "CT thin slices", 4, "8 x 9"), ("2", "CT thin slices", 5, "8 x 9"),
    ]  # fmt: skip
    assert read_scan(disk, series=choices[1].key).mask_shape[0] == 5


def test_rounded_positions_pass(dicom_folder):
    folder = dicom_folder()
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.ImagePositionPatient = [round(float(v), 2) for v in header.ImagePositionPatient]
        header.save_as(file)
    assert read_scan(folder).spacing[0] == pytest.approx(2.5, abs=0.01)


def test_two_images_at_one_place_are_refused(dicom_folder):
    with pytest.raises(BadInput, match=r"images 3 and 4.*same place \(03-004-0.dcm, 03-004-1.dcm\)"):
        read_scan(dicom_folder(twice=(2,)))


def test_a_localiser_is_refused(dicom_folder):
    uid = generate_uid()
    folder = dicom_folder(uid=uid)
    dicom_folder(uid=uid, number=9, slices=1, orientation=[1, 0, 0, 0, 1, 0], into=folder)
    with pytest.raises(BadInput, match="turned against"):
        read_scan(folder)


def test_another_matrix_is_refused(dicom_folder):
    uid = generate_uid()
    folder = dicom_folder(uid=uid)
    dicom_folder(uid=uid, number=9, slices=1, shape=(4, 4), into=folder)
    with pytest.raises(BadInput, match="another size"):
        read_scan(folder)


def test_a_tilted_gantry_is_refused(dicom_folder):
    with pytest.raises(BadInput, match="tilted gantry"):
        read_scan(dicom_folder(sideways=0.3))


def test_fractions_of_a_rescale_slope_survive(dicom_folder):
    scan = read_scan(dicom_folder(slope=0.5, intercept=0.25))
    assert scan.array.dtype == np.float32
    np.testing.assert_allclose(scan.array[0, 1, 0, :3], [50.25, 50.75, 51.25])


def test_a_single_slice_takes_its_thickness(dicom_folder):
    scan = read_scan(dicom_folder(slices=1))
    assert scan.mask_shape == (1, 8, 9)
    assert scan.spacing == pytest.approx((9.0, 0.75, 0.5))


def _changed(folder, **tags):
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        for tag, value in tags.items():
            if value is None:
                delattr(header, tag)
            else:
                setattr(header, tag, value)
        header.save_as(file)
    return folder


def test_a_picture_without_a_position_is_flat(dicom_folder):
    unplaced = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    scan = read_scan(_changed(dicom_folder("one", slices=1), **unplaced))
    assert (scan.mask_shape, scan.geometry, scan.unit) == ((8, 9), None, "mm")
    with pytest.raises(BadInput, match="do not say where they lie"):
        read_scan(_changed(dicom_folder("many"), **unplaced))


def test_deflated_files_are_read_unless_they_unpack_to_too_much(dicom_folder, monkeypatch):
    folder = dicom_folder("deflated")
    plain = read_scan(folder)
    for file in folder.iterdir():
        header = pydicom.dcmread(file)
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        header.save_as(file)
    scan = read_scan(folder)
    np.testing.assert_array_equal(scan.array, plain.array)
    assert scan.geometry.close_to(plain.geometry, 1e-9)
    monkeypatch.setattr(headers, "LARGEST_DEFLATED", 100)
    with pytest.raises(BadInput, match="unpacks to more"):
        read_scan(folder)


def test_a_segmentation_beside_the_images_is_left_out(dicom_folder):
    folder = dicom_folder()
    extra = _changed(dicom_folder("seg", slices=1, number=8), SOPClassUID=SegmentationStorage)
    next(extra.iterdir()).rename(folder / "seg.dcm")
    assert read_scan(folder).mask_shape == (6, 8, 9)


def test_a_folder_without_images_says_so(tmp_path):
    with pytest.raises(BadInput, match=re.escape(f"{tmp_path} holds no DICOM images")):
        read_scan(tmp_path)


def test_a_file_cut_short_is_refused(dicom_folder):
    folder = dicom_folder()
    file = sorted(folder.iterdir())[2]
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    with pytest.raises(BadInput, match="series"):
        read_scan(folder)


def test_an_end_slice_cut_short_within_its_header_is_not_left_out(dicom_folder):
    folder = dicom_folder()
    first = min(folder.iterdir())
    whole = first.read_bytes()
    for length in (144, 400, 500):
        first.write_bytes(whole[:length])
        with pytest.raises(BadInput, match="cut short within its header"):
            read_scan(folder)
