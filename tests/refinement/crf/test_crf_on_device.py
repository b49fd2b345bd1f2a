"""What runs on a GPU, run on the CPU, against what is made for the CPU."""

import numpy as np
import pytest
import torch

from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.refinement.crf import FREE, CrfParameters, dense_crf

CASES = [
    # extent, channels, classes, spacing
    ((1, 40, 44), 1, 2, (1, 1, 1)),
    ((1, 40, 44), 3, 4, (1, 1, 1)),
    ((7, 20, 22), 1, 3, (4, 1, 1)),
    ((7, 20, 22), 2, 3, (1, 2, 1)),
]


def phantom(extent, channels, classes):
    rng = np.random.default_rng(classes)
    scan = rng.normal(100, 5, (channels, *extent)) + 60 * (np.arange(extent[-1]) > extent[-1] / 2)
    chances = rng.random((classes, *extent)) ** 2 + 0.01
    return (chances / chances.sum(0)).astype(np.float32), scan


@pytest.mark.parametrize(("extent", "channels", "classes", "spacing"), CASES)
def test_pytorch_gives_what_the_loops_give(extent, channels, classes, spacing):
    chances, scan = phantom(extent, channels, classes)
    fixed = np.full(extent, FREE, np.uint8)
    fixed[:, 5:9, 5:9] = 1
    cost = tuple(tuple(float(abs(a - b)) for a in range(classes)) for b in range(classes))
    for p in CrfParameters(5.0, 8.0, 20.0, 1.0, 2.0, cost), CrfParameters(0.0), CrfParameters(smoothness_weight=0.0):
        loops = dense_crf(chances, scan, spacing, p, fixed=fixed)
        ours = dense_crf(chances, scan, spacing, p, fixed=fixed, device="cpu:0")
        assert np.abs(ours.probabilities - loops.probabilities).max() < 2e-3
        assert (ours.labels == loops.labels).mean() > 0.999
        assert (ours.labels[:, 5:9, 5:9] == 1).all()


def test_number_formats_and_slices_are_understood():
    chances, scan = phantom((3, 20, 22), 1, 3)
    given = (chances * 255).round().astype(np.uint8)
    halves = np.empty(chances.shape, np.float16)
    loops = dense_crf(given, scan, by_slice=True).probabilities
    dense_crf(given, scan, by_slice=True, device="cpu:0", out=halves)
    assert np.abs(halves - loops).max() < 5e-3


def test_a_volume_too_large_for_the_device_is_refused_in_words(monkeypatch):

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "tensordot", full)
    chances, scan = phantom((3, 20, 22), 1, 3)
    with pytest.raises(OutOfMemory, match="use the CPU"):
        dense_crf(chances, scan, device="cpu:0")


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_in_words(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    chances = np.full((2, 1, 4, 4), 0.5, np.float32)
    with pytest.raises(BadInput, match=f"no {device} device here"):
        dense_crf(chances, np.zeros((1, 1, 4, 4), np.float32), device=device)
