"""Air is left to the background, where the model says that nothing it knows is as dark."""

import numpy as np
import pytest

from napari_unet.config import NetworkConfig, TrainConfig
from napari_unet.inference import predict
from napari_unet.inference.engine import Engine
from napari_unet.model_file import Model
from napari_unet.scan import Scan
from napari_unet.training import train


@pytest.fixture
def scan():
    """Give a scan whose middle slices hold something bright on noisy air, and whose others hold air."""
    rng = np.random.default_rng(0)
    image = rng.normal(-1000, 5, (8, 32, 32))
    image[2:6, 8:24, 8:24] = rng.normal(0, 50, (4, 16, 16))
    image[3, 10:14, 10:14] = 900
    return Scan.from_array(image.astype(np.float32))


def knowing(model, darkest):
    return Model(model.description.model_copy(update={"darkest": darkest}), model.weights)


def counted(monkeypatch):
    calls = []
    call = Engine.__call__
    monkeypatch.setattr(Engine, "__call__", lambda self, *args: calls.append(1) or call(self, *args))
    return calls


def test_slices_of_air_are_not_looked_at(phantom, config, scan, monkeypatch):
    model = knowing(phantom.model(), (0.5,))
    calls = counted(monkeypatch)
    result = predict(model, scan, config, with_probabilities=True, with_uncertainty=True)
    assert len(calls) == 4
    assert not result.labels[[0, 1, 6, 7]].any()
    assert (result.probabilities[0, [0, 1, 6, 7]] == 1).all()
    assert not result.uncertainty[[0, 1, 6, 7]].any()
    assert "4 pieces hold nothing brighter than" in result.notes[0]
    level = float(result.notes[0].split("than ")[1].split(",")[0])
    assert -980 < level < -700
    everything = predict(model, scan, config.model_copy(update={"skip_empty": False}))
    np.testing.assert_array_equal(everything.labels[2:6], result.labels[2:6])
    assert everything.notes == ()
    assert len(calls) == 12


@pytest.mark.parametrize(
    ("labels", "darkest"),
    [((0, 1, 2), ()), ((1, 2), (0.5,)), ((0, 1, 2), (-9.0,))],
    ids=["an older model", "no background", "a structure as dark as air"],
)
def test_a_model_that_does_not_say_so_looks_at_all(phantom, config, scan, monkeypatch, labels, darkest):
    calls = counted(monkeypatch)
    assert predict(knowing(phantom.model(labels), darkest), scan, config).notes == ()
    assert len(calls) == 8


def test_dark_tissue_is_not_air(phantom, config, scan, monkeypatch):
    scan.array[0, 6] = -600  # darker than all that was painted, but no air
    calls = counted(monkeypatch)
    predict(knowing(phantom.model(), (0.5,)), scan, config)
    assert len(calls) == 5


@pytest.mark.parametrize("context", [0, 1])
def test_a_training_learns_how_dark_a_structure_is(scan, context):
    paint = np.zeros(scan.grid, np.uint8)
    paint[3:5, 8:24, 8:24] = 1
    paint[3:5, :4] = 255
    network = NetworkConfig(width=4, depth=1, context=context)
    model = train(scan, paint, TrainConfig(network=network, steps=2, threads=1, validation=0, precision="fp32"))
    darkest = model.description.darkest
    assert len(darkest) == 1 + 2 * context
    by = model.description.normalisation[0]
    assert darkest[context] == pytest.approx((scan.array[0, 3:5, 8:24, 8:24].min() - by.mean) / by.std, abs=1e-3)
