"""The preview shows what a network would see, and the paint that it would learn from."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND
from napari_unet.config import AugmentConfig, Flip, NetworkConfig, TrainConfig, Unpainted
from napari_unet.errors import NothingPainted
from napari_unet.scan import Scan
from napari_unet.training import preview_patches
from napari_unet.training.augmentation import UNCHANGED

LEVELS = {0: 0.0, 7: 100.0, BACKGROUND: -100.0}


def phantom(shape: tuple[int, int, int] = (4, 60, 70)) -> tuple[Scan, NDArray[np.uint8]]:
    """A scan that shows its own paint: unknown voxels are grey, class 7 is bright, background dark."""
    paint = np.zeros(shape, np.uint8)
    paint[::2, 10:30, 15:60], paint[::2, 35:55, 5:50] = 7, BACKGROUND
    image = np.vectorize(LEVELS.get, otypes=[np.float32])(paint) + np.random.default_rng(0).normal(0, 3, shape)
    return Scan.from_array(image, spacing=(1, 1, 1), unit="mm"), paint


def config(**changes: Any) -> TrainConfig:
    given = {"network": NetworkConfig(width=2, depth=2), "patch": 32, "validation": 0, "augment": UNCHANGED} | changes
    return TrainConfig(**given)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (NetworkConfig(depth=2), (4, 60, 70)),
        (NetworkConfig(depth=2, dimensions=3), (24, 60, 70)),
    ],
    ids=["slices", "volume"],
)
def test_image_and_paint_show_the_same_also_when_both_are_varied(network: NetworkConfig, shape: tuple[int, int, int]):
    scan, paint = phantom(shape)
    augment = UNCHANGED.model_copy(update={"rotation": 30, "scale": 0.2, "flip": Flip.ALL, "elastic": 2})
    images, shown = preview_patches([scan], [paint], config(network=network, augment=augment), count=12, seed=1)
    assert images.shape == (12, 1, 32, 32)
    assert (images.dtype, shown.dtype) == (np.float32, np.uint8)
    assert set(np.unique(shown)) == {0, 7, BACKGROUND}
    bright, dark = images[:, 0] > 0.6, images[:, 0] < -0.6
    assert (bright[shown == 7]).mean() > 0.85
    assert (dark[shown == BACKGROUND]).mean() > 0.85
    assert (shown.reshape(12, -1) > 0).any(1).all()


def test_the_same_seed_shows_the_same():
    scan, paint = phantom()
    first, again, other = (preview_patches([scan], [paint], config(augment=AugmentConfig()), 3, s) for s in (1, 1, 2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


def test_it_shows_what_unpainted_voxels_count_as():
    scan, paint = phantom()
    _, shown = preview_patches([scan], [paint], config(unpainted=Unpainted.BACKGROUND), 4, 0)
    assert set(np.unique(shown)) == {7, BACKGROUND}


def test_channels_are_shown_as_they_are():
    scan, paint = phantom()
    both = Scan.from_array(np.concatenate([scan.array, -scan.array]), "CZYX")
    images, _ = preview_patches([both], [paint], config(), 2, 0)
    assert np.allclose(images[:, 0], -images[:, 1], atol=0.02)


def test_nothing_painted_is_said():
    scan, paint = phantom()
    with pytest.raises(NothingPainted):
        preview_patches([scan], [np.zeros_like(paint)], config(), 2, 0)
