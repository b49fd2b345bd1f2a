"""The whole job on the bundled scan, and its picture."""

import csv

import numpy as np
import pytest
from PIL import Image

from napari_unet.annotation import new_class
from napari_unet.cli.overview import draw_overview, spread
from napari_unet.io import read_mask
from napari_unet.model_file import load_model
from napari_unet.scan import Geometry, Scan


def test_the_demo_leaves_mask_picture_table_and_model(command, quick, tmp_path):
    folder = tmp_path / "results"
    status, out, _ = command("demo", "-o", folder, *quick)
    assert status == 0
    files = {"chest.seg.nrrd", "chest.provenance.json", "chest.unet", "dice.csv", "overview.png"}
    assert {file.name for file in folder.iterdir()} == files
    mask = read_mask(folder / "chest.seg.nrrd")
    assert mask.labels.shape == (34, 128, 128)
    assert load_model(folder / "chest.unet").description.learned_from.slices == 4
    with (folder / "dice.csv").open(newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["class", "prediction", "refined"]
    assert [row[0] for row in rows] == [*(info.name for info in mask.classes), "mean"]
    assert "Dice on the 30 slices that were not painted" in out
    assert all(str(file) in out for file in folder.iterdir())
    with Image.open(folder / "overview.png") as picture:
        assert min(picture.size) > 800


def test_the_picture_shows_each_mask_in_its_column_in_true_proportions():
    array = np.zeros((1, 3, 10, 20), np.int16)
    array[0, :, 2:8] = np.arange(20) * 10
    mask = np.zeros((3, 10, 20), np.uint8)
    mask[1] = 1
    red = new_class(1).model_copy(update={"colour": (1.0, 0.0, 0.0)})
    scan = Scan(array, spacing=(5.0, 2.0, 1.0), unit="mm")
    picture = np.asarray(draw_overview(scan, {"none": np.zeros_like(mask), "all": mask}, [red], [0, 1]))
    redness = picture[..., 0].astype(int) - picture[..., 1]
    rows, columns = np.nonzero(redness[:-26] > 60)  # without the legend
    height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert columns.min() > picture.shape[1] * 0.6
    assert rows.min() > picture.shape[0] * 0.4
    assert height == pytest.approx(width, abs=3)  # 10 rows of 2 mm, 20 columns of 1 mm


def test_a_mirrored_scan_is_drawn_upright():
    array = np.zeros((1, 1, 10, 10), np.int16)
    array[0, 0] = np.arange(100).reshape(10, 10)
    mirrored = Geometry(np.diag([-1.0, -1.0, 1.0, 1.0]))
    straight = draw_overview(Scan(array, geometry=Geometry(np.eye(4))), {}, [], [0])
    turned = draw_overview(Scan(array[..., ::-1, ::-1], geometry=mirrored), {}, [], [0])
    np.testing.assert_array_equal(np.asarray(straight), np.asarray(turned))


def test_slices_are_spread_evenly():
    assert spread(range(10, 41), 4) == [10, 20, 30, 40]
    assert spread([3, 7], 6) == [3, 7]
