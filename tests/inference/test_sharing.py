"""Several devices share the tiles of a scan: two processors stand for two GPUs here."""

from threading import Barrier

import numpy as np
import pytest
import torch

from napari_unet.events import LookAt, SlicesDone, Stop
from napari_unet.inference import planning
from napari_unet.inference.engine import Engine
from napari_unet.inference.prediction import predict_job
from napari_unet.networks import UNet


@pytest.fixture
def two_devices(monkeypatch):
    """Let there be two devices; both are at work at once, or the test ends with a broken barrier."""
    monkeypatch.setattr(planning, "all_like", lambda device: (device, torch.device("cpu")))
    at_once, call, engines = Barrier(2, timeout=30), Engine.__call__, []

    def together(self, *args):
        if self not in engines:
            engines.append(self)
            at_once.wait()
        return call(self, *args)

    monkeypatch.setattr(Engine, "__call__", together)
    return engines


@pytest.mark.parametrize(("dimensions", "tile"), [(2, 0), (2, 32), (3, 16)])
def test_two_devices_give_the_labels_of_one(phantom, config, drain, two_devices, dimensions, tile):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(20, 64, 50)
    softmax = np.zeros((3, *scan.grid), np.float16)
    job = predict_job(model, scan, config.model_copy(update={"tile": tile}), probabilities=softmax, look_at=9)
    result, events = drain(job, lambda event: LookAt(15) if isinstance(event, SlicesDone) else None)
    expected = phantom.reference(model, scan)
    np.testing.assert_array_equal(result.labels, phantom.labels(model, expected))
    np.testing.assert_allclose(softmax, expected, atol=1e-3)
    done = [z for event in events if isinstance(event, SlicesDone) for z in event.slices]
    assert sorted(done) == list(range(20))
    assert 9 in events[next(n for n, event in enumerate(events) if isinstance(event, SlicesDone))].slices
    assert len(two_devices) == 2
    assert events[0].device.startswith("2 × ")


@pytest.mark.usefixtures("two_devices")
def test_two_devices_without_memory_go_on_with_smaller_tiles(phantom, config, drain, monkeypatch):
    model, scan, forward = phantom.model(depth=1), phantom.scan(6, 64, 64), UNet.forward

    def failing(self, x):
        if x.shape[-1] > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, x)

    monkeypatch.setattr(UNet, "forward", failing)
    result, _ = drain(predict_job(model, scan, config))
    monkeypatch.undo()
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    assert len(result.notes) >= 1


@pytest.mark.usefixtures("two_devices")
def test_stop_keeps_whole_slices_only(phantom, config, drain):
    model, scan = phantom.model(), phantom.scan(12, 32, 32)
    result, _ = drain(predict_job(model, scan, config), lambda event: Stop() if isinstance(event, SlicesDone) else None)
    assert result.slices == (0,)
    assert not result.labels[1:].any()


def test_what_is_left_out_at_random_stays_on_one_device(phantom, config, drain, monkeypatch):
    monkeypatch.setattr(planning, "all_like", lambda device: pytest.fail("one device is enough"))
    sampled = config.model_copy(update={"dropout_samples": 2})
    result, _ = drain(predict_job(phantom.model(dropout=0.5), phantom.scan(2, 16, 16), sampled))
    assert result.slices == (0, 1)
