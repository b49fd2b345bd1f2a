"""Patches drawn in another process are those drawn here."""

import pickle

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND
from napari_unet.config import NetworkConfig, TrainConfig
from napari_unet.events import Started
from napari_unet.runner import Exchange, run_here
from napari_unet.runner.patches import PatchesRequest
from napari_unet.scan import Scan
from napari_unet.training import preview_patches


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


def test_patches_come_through_files(exchange):
    scan = Scan.from_array(np.random.default_rng(0).normal(0, 1, (2, 40, 50)).astype(np.float32))
    paint = np.full(scan.grid, BACKGROUND, np.uint8)
    paint[:, 10:30, 10:30] = 4
    config = TrainConfig(network=NetworkConfig(width=2, depth=2), patch=32)
    request = PatchesRequest(
        scans=(exchange.put_scan(scan),),
        paints=(exchange.put(paint),),
        config=config,
        images_path=str(exchange.path(".raw")),
        paint_path=str(exchange.path(".raw")),
        count=3,
        seed=5,
    )
    events = []
    done = run_here(pickle.loads(pickle.dumps(request)).job(), events.append)
    assert events == [Started("Drawing patches")]
    expected = preview_patches([scan], [paint], config, 3, 5)
    for shared, array in zip((done.images, done.paint), expected, strict=True):
        np.testing.assert_array_equal(shared.open(), array)
        assert shared.open().dtype == array.dtype
