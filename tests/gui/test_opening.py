"""Files are read in another process while the window lives; what they leave open is asked."""

import os
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import zarr
from napari.layers import Image
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QMessageBox, QProgressDialog, QPushButton

from napari_unet.errors import BadInput
from napari_unet.gui.layers import readers
from napari_unet.gui.layers.readers import get_reader
from napari_unet.gui.layers.scans import scan_of
from napari_unet.gui.widgets.series_dialog import SeriesDialog
from napari_unet.gui.work import opening
from napari_unet.io.questions import Several
from napari_unet.runner import reading

PLUGIN = "napari-unet-paint"


@pytest.fixture(autouse=True, scope="module")
def no_process_left():
    yield
    reading.reader.end()


@pytest.fixture
def opened(make_napari_viewer):
    """Open a path as a drop on the window does, and give the layers."""
    viewer = make_napari_viewer()

    def open_path(*paths, stack=False):
        viewer.window._qt_viewer._qt_open([str(path) for path in paths], stack=stack, plugin=PLUGIN)
        return list(viewer.layers)

    return open_path


@pytest.fixture
def slow(tmp_path):
    """Give a file that takes for ever to read, as its process is stopped."""
    nib.save(nib.Nifti1Image(np.ones((4, 3, 2), np.uint8), np.eye(4)), tmp_path / "scan.nii")
    reading.reader.warm()
    os.kill(reading.reader._child.pid, signal.SIGSTOP)
    return tmp_path / "scan.nii"


def widgets(kind):
    return [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, kind) and widget.isVisible()]


def when_shown(kind, act):
    """Act on a dialog as soon as it is there."""
    timer = QTimer()
    timer.setInterval(10)

    def look():
        if shown := widgets(kind):
            timer.stop()
            act(shown[0])

    timer.timeout.connect(look)
    timer.start()
    return timer


def test_a_dropped_folder_becomes_a_layer_that_knows_where_it_lies(opened, dicom_folder):
    (layer,) = opened(dicom_folder())
    assert isinstance(layer, Image)
    np.testing.assert_allclose(layer.scale, (2.5, 0.75, 0.5), atol=1e-6)
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.name == "CT series 3"
    affine = layer.metadata["napari_unet"]["geometry"].affine
    np.testing.assert_allclose(affine[:3, 3], (-100, 50, 700), atol=1e-4)


def test_all_files_of_a_series_dropped_at_once_make_one_layer(opened, dicom_folder):
    files = sorted(dicom_folder().iterdir())
    assert len(opened(*files)) == 1
    assert len(opened(files[0])) == 2  # somebody wants it again


def test_files_without_a_suffix_are_known_by_their_content(opened, dicom_folder):
    folder = dicom_folder()
    for n, file in enumerate(sorted(folder.iterdir())):
        file.rename(folder / f"IM{n:04d}")
    assert len(opened(folder / "IM0003")) == 1


def test_a_disk_with_nested_folders(opened, dicom_folder, tmp_path):
    nested = tmp_path / "DICOM" / "PA0" / "ST0" / "SE0"
    nested.mkdir(parents=True)
    dicom_folder(into=nested)
    assert len(opened(tmp_path / "DICOM")) == 1


def test_one_of_several_series_is_chosen_in_a_table_without_names(opened, dicom_folder):
    folder = dicom_folder(number=1)
    dicom_folder(number=2, slices=4, into=folder)
    seen = []

    def choose(dialog):
        cells = [
            [dialog.table.item(row, column).text() for column in range(dialog.table.columnCount())]
            for row in range(dialog.table.rowCount())
        ]
        seen.extend(cells)
        dialog.table.selectRow(1)
        dialog.accept()

    timer = when_shown(SeriesDialog, choose)
    (layer,) = opened(folder)
    assert not timer.isActive()
    assert layer.data.shape == (4, 8, 9)
    assert seen == [["1", "CT thin slices", "6", "8 x 9"], ["2", "CT thin slices", "4", "8 x 9"]]


def test_nothing_chosen_opens_nothing(opened, dicom_folder):
    folder = dicom_folder(number=1)
    dicom_folder(number=2, slices=4, into=folder)
    timer = when_shown(SeriesDialog, SeriesDialog.reject)
    assert opened(folder) == []
    assert not timer.isActive()


@pytest.mark.parametrize("agree", [True, False])
def test_uneven_slices_are_opened_when_the_assumption_is_accepted(opened, dicom_folder, agree):
    said = []

    def answer(box):
        said.append((box.text(), box.informativeText()))
        next(b for b in box.buttons() if ("evenly" in b.text()) == agree).click()

    timer = when_shown(QMessageBox, answer)
    layers = opened(dicom_folder(skip=(3,)))
    assert not timer.isActive()
    assert [layer.data.shape for layer in layers] == ([(5, 8, 9)] if agree else [])
    ((text, assumption),) = said
    assert "slices 3 and 4" in text
    assert "taken as 3.12 mm apart" in assumption


def test_the_window_lives_while_a_file_is_read_and_reading_can_be_cancelled(opened, slow):
    ticks = []
    ticking = QTimer()
    ticking.timeout.connect(lambda: ticks.append(1))
    ticking.start(10)
    timer = when_shown(QProgressDialog, lambda dialog: dialog.findChild(QPushButton).click())
    assert opened(slow) == []
    assert not timer.isActive()
    assert len(ticks) > 10
    assert not widgets(QProgressDialog)
    assert len(opened(slow)) == 1  # another process reads it


def test_a_parser_that_crashes_is_a_message(opened, slow):
    def crash():
        for number in (signal.SIGSEGV, signal.SIGCONT):
            os.kill(reading.reader._child.pid, number)

    QTimer.singleShot(100, crash)
    with pytest.raises(BadInput, match=r"scan\.nii made the program that reads it crash"):
        readers.read_layers(str(slow))
    assert len(opened(slow)) == 1


def test_several_files_in_one_drop_are_channels(opened, tmp_path):
    for n in range(2):
        image = nib.Nifti1Image(np.full((4, 3, 2), n, np.uint8), np.diag([2, 2, 3, 1]))
        nib.save(image, tmp_path / f"t{n}.nii.gz")
    (layer,) = opened(tmp_path / "t0.nii.gz", tmp_path / "t1.nii.gz", stack=True)
    assert layer.data.shape == (2, 2, 3, 4)
    assert layer.axis_labels == ("c", "z", "y", "x")


def test_without_a_window_the_question_is_raised(dicom_folder, monkeypatch):
    folder = dicom_folder(number=1)
    dicom_folder(number=2, into=folder)
    monkeypatch.setattr(opening, "_in_window", lambda: False)
    with pytest.raises(Several, match="--series"):
        get_reader(str(folder))(str(folder))


def test_a_read_only_copy_is_not_what_a_mask_becomes(opened, tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 3, 2), np.uint8), np.eye(4))
    image.header.set_intent("label")
    path = Path(tmp_path / "mask.nii.gz")
    nib.save(image, path)
    (layer,) = opened(path)
    layer.fill((0, 0, 0), 3)
    assert layer.data.max() == 3


def test_an_image_on_disk_is_shown_in_its_resolutions_and_not_read_whole(opened, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    values = np.arange(2 * 6 * 8 * 8, dtype=np.uint16).reshape(2, 6, 8, 8)
    for level in range(2):
        group.create_array(str(level), data=values[..., :: 2**level, :: 2**level], chunks=(1, 1, 4, 4))
    axes = [{"name": "c", "type": "channel"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "zyx")]
    scales = [[{"type": "scale", "scale": [1, 2, 0.5 * 2**level, 0.5 * 2**level]}] for level in range(2)]
    datasets = [{"path": str(level), "coordinateTransformations": scales[level]} for level in range(2)]
    group.attrs.update(
        multiscales=[{"axes": axes, "datasets": datasets}], omero={"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    )
    (layer,) = opened(path)
    assert layer.multiscale
    assert not any(isinstance(level, np.ndarray) for level in layer.data)
    assert layer.axis_labels == ("c", "z", "y", "x")
    np.testing.assert_allclose(layer.scale, (1, 0.002, 0.0005, 0.0005))
    scan = scan_of(layer)
    assert (scan.channel_names, scan.mask_shape, scan.unit) == (("DAPI", "GFP"), (6, 8, 8), "mm")
    np.testing.assert_array_equal(np.asarray(scan.array), values)


def test_work_that_is_done_at_once_is_not_waited_for(qapp):
    assert [opening.while_alive(lambda n=n: n, "Reading ...", lambda: None) for n in range(100)] == list(range(100))
