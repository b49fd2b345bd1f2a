"""Which normalisation a training takes where that is left open."""

import numpy as np
import pytest
import torch

import napari_unet as nu
from napari_unet.annotation import BACKGROUND
from napari_unet.config import NetworkConfig, Normaliser, Unpainted
from napari_unet.scan import Scan
from napari_unet.training.material import gather, normaliser_for


def chosen(slices, *, shape=(4, 32, 32), **changes):
    """Paint the classes of each slice, and background; give what is chosen."""
    paint = np.zeros(shape, np.uint8)
    for z, labels in slices.items():
        paint[z] = BACKGROUND
        for number, label in enumerate(labels):
            paint[z, 4 * number + 2 : 4 * number + 5, 5:15] = label
    scan = Scan.from_array(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    config = nu.TrainConfig(network=NetworkConfig(width=2, depth=2), threads=1).model_copy(update=changes)
    return normaliser_for(config, gather([scan], [paint], config, (), torch.device("cpu")))


def test_a_structure_on_every_painted_slice_takes_the_batch():
    assert chosen({0: [1], 2: [1]}) is Normaliser.BATCH


def test_a_slice_shown_without_the_structure_allows_instances():
    assert chosen({0: [1], 2: []}) is Normaliser.INSTANCE


@pytest.mark.parametrize(
    ("slices", "normaliser"),
    [
        ({0: [1, 2, 3], 1: [1, 2]}, Normaliser.BATCH),
        ({0: [1, 2], 1: [1]}, Normaliser.INSTANCE),
        ({0: [1, 2, 3], 1: [3]}, Normaliser.INSTANCE),
    ],
)
def test_most_classes_decide(slices, normaliser):
    assert chosen(slices) is normaliser


def test_what_is_held_out_was_painted_too():
    assert chosen({0: [1], 1: [1], 2: [1]}, validation=0.3) is Normaliser.BATCH


def test_slices_larger_than_a_patch_take_the_batch():
    assert chosen({0: [1], 2: []}, patch=16) is Normaliser.BATCH


def test_blocks_of_slices_take_the_batch():
    assert chosen({0: [1], 2: []}, network=NetworkConfig(dimensions=3)) is Normaliser.BATCH


def test_unpainted_slices_that_count_as_background_show_absence():
    assert chosen({0: [1]}, unpainted=Unpainted.BACKGROUND) is Normaliser.INSTANCE


def test_what_was_chosen_by_hand_stays():
    assert chosen({0: [1], 2: []}, network=NetworkConfig(normalisation=Normaliser.GROUP)) is Normaliser.GROUP


def test_the_model_says_what_was_chosen():
    scan = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    paint = np.full(scan.shape, BACKGROUND, np.uint8)
    paint[:, 8:20, 8:20] = 1
    config = nu.TrainConfig(network=NetworkConfig(width=2, depth=2), steps=1, threads=1, validation=0)
    assert nu.train(scan, paint, config).description.network.normalisation is Normaliser.BATCH
