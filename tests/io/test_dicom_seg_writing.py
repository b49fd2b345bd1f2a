"""A mask saved as a DICOM segmentation belongs to its series, and other programs find in it what was painted."""

import sys
import warnings
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest

from napari_unet import __version__
from napari_unet.annotation import ClassInfo, new_class
from napari_unet.errors import BadInput, MissingDependency
from napari_unet.io import Mask, read_scan, write_mask
from napari_unet.io.dicom.segment_codes import codes_for

CLASSES = (
    ClassInfo(label=2, name="liver", colour=(0.9, 0.4, 0.2)),
    ClassInfo(label=7, name="right lung", colour=(0.0862745, 0.772549, 1 / 3)),
    ClassInfo(label=200, name="Läsion — β", colour=(0.0, 0.0, 1.0)),
)


def labelled(scan):
    labels = np.zeros(scan.mask_shape, np.uint8)
    labels[1:3, 1:4, 2:6], labels[2, 5, 5], labels[4, 0, 0], labels[3, 7, 7] = 2, 7, 200, 255
    return labels


@pytest.fixture
def series(dicom_folder):
    return dicom_folder()


@pytest.fixture
def written(series, tmp_path):
    scan = read_scan(series)
    return scan, write_mask(tmp_path / "seg.dcm", Mask.on(scan, labelled(scan), CLASSES))


def test_highdicom_finds_every_voxel_on_the_series(written, series):
    scan, path = written
    images = [pydicom.dcmread(file) for file in series.iterdir()]
    segments = highdicom.seg.segread(path).get_volume(combine_segments=True)
    onto = segments.match_geometry(highdicom.get_volume_from_series(images))
    numbers = np.array([0, 2, 7, 200, 255], np.uint8)
    upwards = (onto.affine[:3, 0] @ scan.geometry.affine[:3, 2]) > 0
    np.testing.assert_array_equal(numbers[onto.array[:: 1 if upwards else -1]], labelled(scan))


def test_its_segments_have_names_colours_codes_and_who_made_them(written):
    segments = pydicom.dcmread(written[1]).SegmentSequence
    assert [s.SegmentLabel for s in segments] == ["liver", "right lung", "Läsion — β", "painted as background"]
    assert [s.SegmentDescription for s in segments] == ["label 2", "label 7", "label 200", "label 255"]
    assert [s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for s in segments[:3]] == ["Liver", "Lung", "Tissue"]
    side = segments[1].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeMeaning == "Right"
    for segment in segments:
        (made_by,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (made_by.AlgorithmName, made_by.AlgorithmVersion) == ("napari-unet", __version__)
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
    colour = highdicom.color.CIELabColor.from_dicom_value(segments[0].RecommendedDisplayCIELabValue).to_rgb()
    np.testing.assert_allclose(np.array(colour) / 255, CLASSES[0].colour, atol=1 / 255)


def test_it_belongs_to_the_patient_and_study_and_names_every_image(written, series):
    segmentation, images = pydicom.dcmread(written[1]), [pydicom.dcmread(file) for file in series.iterdir()]
    for name in ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber"):
        assert segmentation[name].value == images[0][name].value
    (referenced,) = segmentation.ReferencedSeriesSequence
    assert referenced.SeriesInstanceUID == images[0].SeriesInstanceUID
    uids = {instance.ReferencedSOPInstanceUID for instance in referenced.ReferencedInstanceSequence}
    assert uids == {image.SOPInstanceUID for image in images}
    assert segmentation.SegmentationType == "BINARY"
    assert segmentation.SeriesInstanceUID != images[0].SeriesInstanceUID


def test_odd_headers_are_no_obstacle_and_nothing_of_them_is_said(series, tmp_path, capfd, caplog):
    for file in series.iterdir():
        header = pydicom.dcmread(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as archives hold them
            header.PatientName, header.PatientSex, header.StudyDate = "ONEWORD" * 12, "U", "yesterday"
            header.PatientBirthDate = "1901.02.03"
            header.save_as(file)
    caplog.clear()
    with caplog.at_level("INFO"):
        scan = read_scan(series)
        path = write_mask(tmp_path / "seg.dcm", Mask.on(scan, labelled(scan), CLASSES))
    assert "ONEWORD" not in caplog.text
    assert "1901" not in caplog.text
    assert capfd.readouterr() == ("", "")
    segmentation = pydicom.dcmread(path)
    with pytest.warns(UserWarning, match="exceeds"):
        assert segmentation.PatientName == "ONEWORD" * 12
    assert (segmentation.PatientSex, segmentation.StudyDate, segmentation.PatientBirthDate) == ("", "", "")


def test_a_mask_without_paint_is_a_segmentation_too(series, tmp_path):
    scan = read_scan(series)
    empty = Mask.on(scan, np.zeros(scan.mask_shape, np.uint8), (new_class(1, "liver"),))
    segmentation = pydicom.dcmread(write_mask(tmp_path / "seg.dcm", empty))
    assert not segmentation.pixel_array.any()
    with pytest.raises(BadInput, match="name a class"):
        write_mask(tmp_path / "none.dcm", replace(empty, classes=()))


def test_a_mask_of_no_series_is_refused(series, tmp_path):
    scan = read_scan(series)
    with pytest.raises(BadInput, match="--onto"):
        write_mask(tmp_path / "seg.dcm", replace(Mask.on(scan, labelled(scan), CLASSES), dicom=()))
    assert [entry.name for entry in tmp_path.iterdir()] == ["series"]


def test_a_series_that_is_gone_is_named(series, tmp_path):
    scan = read_scan(series)
    next(series.iterdir()).unlink()
    with pytest.raises(BadInput, match="cannot be read any more"):
        write_mask(tmp_path / "seg.dcm", Mask.on(scan, labelled(scan), CLASSES))


def test_without_highdicom_it_says_what_to_install(series, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "highdicom", None)
    scan = read_scan(series)
    with pytest.raises(MissingDependency, match=r"napari-unet-paint\[dicomseg\]"):
        write_mask(tmp_path / "seg.dcm", Mask.on(scan, labelled(scan), CLASSES))


def test_a_full_disk_leaves_the_older_segmentation(written):
    resource = pytest.importorskip("resource", reason="Windows cannot limit the size of files")
    scan, path = written
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        with pytest.raises(BadInput, match=r"seg\.dcm"):
            write_mask(path, Mask.on(scan, labelled(scan), CLASSES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert not [entry for entry in path.parent.iterdir() if entry.name.startswith(".")]


def test_a_frame_in_the_wrong_slice_is_noticed(series, tmp_path, monkeypatch):
    scan = read_scan(series)
    labels = labelled(scan)
    path = write_mask(tmp_path / "seg.dcm", Mask.on(scan, labels, CLASSES))
    before = path.read_bytes()
    from napari_unet.io.dicom import seg_writer

    write = seg_writer.write
    monkeypatch.setattr(seg_writer, "write", lambda file, mask: write(file, replace(mask, labels=labels[::-1])))
    with pytest.raises(BadInput, match="did not read back"):
        write_mask(path, Mask.on(scan, labels, CLASSES))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "category", "kind", "side"),
    [
        ("Liver", "Anatomical Structure", "Liver", None),
        ("left_kidneys", "Anatomical Structure", "Kidney", "Left"),
        ("Tumour", "Morphologically Abnormal Structure", "Neoplasm", None),
        ("left ventricle", "Anatomical Structure", "Left ventricle", None),
        ("fat", "Tissue", "Fat", None),
        ("class 3", "Tissue", "Tissue", None),
        ("", "Tissue", "Tissue", None),
    ],
)
def test_codes_are_found_by_the_name_of_a_class(name, category, kind, side):
    codes = codes_for(name)
    assert (codes.category.meaning, codes.kind.meaning) == (category, kind)
    assert (codes.side and codes.side.meaning) == side
