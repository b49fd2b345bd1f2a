"""A network is compiled before long work only, and taken where it says the same in less time."""

import numpy as np
import pytest
import torch

from napari_unet.inference import compiling, engine
from napari_unet.inference.compiling import Compiled, pays
from napari_unet.inference.prediction import predict_job

PICTURE = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def plain(x):
    return x


def opposite(x):
    return -x


def failing(x):
    raise RuntimeError("no such instruction")


def no_compiler(network, example):
    raise OSError("g++ was not found")


def compiled_to(candidate, monkeypatch, seconds=None):
    """Give a network whose compiler gives a candidate, each taking so many seconds."""
    monkeypatch.setattr(compiling, "compiled", lambda network, example: candidate)
    times = seconds or {plain: 1.0, candidate: 0.5}
    monkeypatch.setattr(compiling, "timed", lambda network, x: (network(x), times[network]))
    network = Compiled(plain, PICTURE)
    network.join()
    return network


@pytest.mark.parametrize(
    ("device", "left", "worth"),
    [("cpu", 60, False), ("cpu", 3600, True), ("cuda", 60, False), ("cuda", 900, True), ("mps", 1e6, False)],
)
def test_only_long_work_is_worth_it(device, left, worth):
    assert pays(device, left) == worth


def test_what_is_faster_and_says_the_same_is_taken_for_inputs_like_the_example(monkeypatch):
    calls = []

    def faster(x):
        calls.append(x.shape)
        return x + 1

    network = compiled_to(faster, monkeypatch)
    assert torch.equal(network(PICTURE), PICTURE)  # the first passes both
    assert network.taken
    assert torch.equal(network(PICTURE), PICTURE + 1)
    assert torch.equal(network(PICTURE[..., :8]), PICTURE[..., :8])
    assert torch.equal(network(PICTURE.mT), PICTURE.mT)
    assert calls == [PICTURE.shape] * 2


@pytest.mark.parametrize(("candidate", "seconds"), [(torch.clone, 0.99), (opposite, 0.5), (failing, 0.5)])
def test_what_is_slower_says_something_else_or_fails_is_not(monkeypatch, candidate, seconds):
    network = compiled_to(candidate, monkeypatch, {plain: 1.0, candidate: seconds})
    assert [torch.equal(network(PICTURE), PICTURE) for _ in range(2)] == [True, True]
    assert not network.taken


def test_without_a_compiler_all_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(compiling, "compiled", no_compiler)
    network = Compiled(plain, PICTURE)
    network.join()
    assert network(PICTURE) is PICTURE
    assert not network.taken


def test_a_long_prediction_compiles_what_it_computes_most(phantom, config, drain, monkeypatch):
    compiled = []
    monkeypatch.setattr(engine, "pays", lambda device, left: left > 0)
    monkeypatch.setattr(compiling, "compiled", lambda network, x: compiled.append(tuple(x.shape)) or network)
    model, scan = phantom.model(), phantom.scan(4, 64, 80)
    result, _ = drain(predict_job(model, scan, config.model_copy(update={"tile": 32})))
    assert len(compiled) == 1
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    compiled.clear()
    drain(predict_job(model, scan, config.model_copy(update={"views": 2})))  # each view is laid out in its own way
    assert compiled == []
