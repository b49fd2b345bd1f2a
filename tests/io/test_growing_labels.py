"""Labels of a scan that is too large for memory find their place, and are found again."""

import os

import numpy as np
import pytest
import zarr

from napari_unet.annotation import new_class
from napari_unet.config import PredictConfig
from napari_unet.io.growing_labels import grown_beside, origin
from napari_unet.scan import Scan

SCAN = Scan(np.zeros((1, 3, 4, 5), np.uint8), name="big: scan/1")


def grown(source, otherwise, made_by="one"):
    return grown_beside(source, otherwise, SCAN, [new_class(1)], made_by)


def image(path):
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", shape=SCAN.grid, dtype="uint8")
    group.attrs["multiscales"] = [{"axes": [{"name": a} for a in "zyx"], "datasets": [{"path": "0"}]}]
    return path


@pytest.mark.parametrize("level", ["", "0"])
def test_labels_of_an_image_are_among_its_labels_and_each_origin_has_its_own(tmp_path, level):
    source = image(tmp_path / "big.ome.zarr") / level
    path, labels = grown(source, tmp_path / "elsewhere")
    assert path == tmp_path / "big.ome.zarr" / "labels" / "prediction"
    labels.note([1])
    again, same = grown(source, tmp_path / "elsewhere")
    assert (again, same.done) == (path, {1})
    other, new = grown(source, tmp_path / "elsewhere", "another")
    assert (other.name, new.done) == ("prediction 2", set())
    assert zarr.open_group(path.parent, mode="r").attrs["labels"] == ["prediction", "prediction 2"]
    assert not (tmp_path / "elsewhere").exists()


def test_labels_of_anything_else_are_beside_it(tmp_path):
    zarr.save_array(tmp_path / "plain.zarr", np.zeros(SCAN.grid, np.uint8))
    (tmp_path / "scan.tif").touch()
    for source in (tmp_path / "plain.zarr", tmp_path / "scan.tif"):
        path, _ = grown(source, tmp_path / "elsewhere")
        assert path == tmp_path / "big_ scan_1 prediction.zarr"


@pytest.mark.parametrize("writable", [True, False])
def test_labels_of_what_lies_nowhere_or_where_nobody_may_write_are_elsewhere(tmp_path, monkeypatch, writable):
    source = tmp_path / "gone.zarr" if writable else image(tmp_path / "read_only.zarr")
    if not writable:
        monkeypatch.setattr(os, "access", lambda path, how: "read_only" not in str(path) and path != tmp_path)
    path, _ = grown(source, tmp_path / "elsewhere" / "deeper")
    assert path == tmp_path / "elsewhere" / "deeper" / "big_ scan_1 prediction.zarr"


def test_an_origin_is_that_of_models_and_choices():
    assert origin([], PredictConfig(), "a") == origin([], PredictConfig(), "a")
    assert len({origin([], PredictConfig(views=views), about) for views in (1, 2) for about in "ab"}) == 4
