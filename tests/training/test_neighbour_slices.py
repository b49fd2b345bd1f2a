"""2.5-D: a slice seen with its neighbours."""

import numpy as np
import pytest
from pydantic import ValidationError

import napari_unet as nu
from napari_unet.annotation import BACKGROUND
from napari_unet.config import NetworkConfig
from napari_unet.normalisation import Normalisation, with_neighbours
from napari_unet.scan import Scan

AS_IT_IS = (Normalisation(low=-1e3, high=1e3, mean=0.0, std=1.0),)


@pytest.fixture
def told_by_the_next_slice():
    """A volume whose mask is where the next slice is bright: a slice by itself tells nothing."""
    rng = np.random.default_rng(0)
    blobs = rng.normal(size=(17, 4, 4)).repeat(8, 1).repeat(8, 2)
    volume = (blobs + 0.05 * rng.normal(size=blobs.shape)).astype(np.float32)
    return volume[:-1], (blobs[1:] > 0).astype(np.uint8)


def trained(volume, truth, context):
    paint = np.where(truth == 0, BACKGROUND, truth).astype(np.uint8)
    paint[12:] = 0
    network = NetworkConfig(width=8, depth=1, context=context)
    return nu.train(volume, paint, nu.TrainConfig(network=network, steps=60, time_limit=1000, validation=0, threads=1))


def test_neighbours_stop_where_their_volume_stops():
    scan = Scan.from_array(np.zeros((2, 3, 4, 5), np.float32), "TZYX")
    assert scan.neighbours(1, 1) == [0, 1, 2]
    assert scan.neighbours(2, 1) == [1, 2, 2]
    assert scan.neighbours(3, 2) == [3, 3, 3, 4, 5]


def test_unrelated_pictures_have_no_neighbours():
    scan = Scan.from_array(np.zeros((3, 4, 5), np.float32), "TYX")
    assert scan.neighbours(1, 2) == [1] * 5


def test_neighbours_become_channels_lowest_first():
    volume = np.arange(5, dtype=np.float32)[:, None, None] * np.ones((1, 2, 3), np.float32)
    seen = with_neighbours(Scan.from_array(volume), AS_IT_IS, slice(0, 1), 1)
    assert seen.shape == (3, 1, 2, 3)
    assert seen[:, 0, 0, 0].tolist() == [0, 0, 1]


def test_what_only_a_neighbour_tells_is_learned_with_context_alone(told_by_the_next_slice):
    volume, truth = told_by_the_next_slice
    unseen = slice(12, 15)  # the last slice has no neighbour above
    right = [
        np.mean(nu.predict(trained(volume, truth, context), volume).labels[unseen] == truth[unseen])
        for context in (0, 1)
    ]
    assert right[1] > 0.85 > 0.75 > right[0]


def test_a_model_with_context_reads_back_and_predicts_the_same(told_by_the_next_slice, tmp_path):
    volume, truth = told_by_the_next_slice
    model = trained(volume, truth, 1)
    again = nu.load_model(model.save(tmp_path / "model.unet"))
    assert again.description.network.context == 1
    np.testing.assert_array_equal(nu.predict(again, volume).labels, nu.predict(model, volume).labels)


def test_one_slice_is_predicted_as_in_the_whole_volume(told_by_the_next_slice):
    volume, truth = told_by_the_next_slice
    model = trained(volume, truth, 1)
    whole, one = nu.predict(model, volume), nu.predict(model, volume, slices=[7])
    np.testing.assert_array_equal(whole.labels[7], one.labels[7])


def test_a_network_of_blocks_takes_no_context():
    with pytest.raises(ValidationError, match="sees its neighbour slices anyway"):
        NetworkConfig(dimensions=3, context=1)
