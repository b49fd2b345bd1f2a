"""Training as a job: what it learns, says, obeys and refuses."""

import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_unet import __version__
from napari_unet.annotation import ClassInfo
from napari_unet.config import (
    AugmentConfig,
    Device,
    Loss,
    NetworkConfig,
    Normaliser,
    Precision,
    Schedule,
    TrainConfig,
    Unpainted,
)
from napari_unet.errors import BadInput, NothingPainted, OutOfMemory
from napari_unet.events import Command, EpochDone, Event, Job, LookAt, Note, Preview, Progress, Started, Stop
from napari_unet.model_file import Model
from napari_unet.networks import Network, build, load_weights
from napari_unet.normalisation import normalise
from napari_unet.scan import Scan
from napari_unet.training import train, train_job
from napari_unet.training.learner import Learner
from napari_unet.training.metrics import Confusion

Ran = tuple[list[Event], Model]


def blobs(slices: int = 6, side: int = 48, seed: int = 0) -> tuple[Scan, NDArray[np.uint8]]:
    """A scan of noise with bright (1) and dark (2) discs, and its true mask, (Z, Y, X)."""
    random = np.random.default_rng(seed)
    mask = np.zeros((slices, side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    for z in range(slices):
        for label in (1, 2, 1):
            centre, radius = random.uniform(6, side - 6, 2), random.uniform(4, 7)
            mask[z][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = label
    image = np.array([0, 200, -200])[mask] + random.normal(0, 40, mask.shape)
    return Scan.from_array(image.astype(np.int16), spacing=(3, 1, 1), unit="mm", name="secret name"), mask


def painted(mask: NDArray[np.uint8], slices: list[int]) -> NDArray[np.uint8]:
    """Paint whole slices, background included."""
    paint = np.zeros_like(mask)
    paint[slices] = np.where(mask[slices] == 0, 255, mask[slices])
    return paint


def quick(**changes: Any) -> TrainConfig:
    """A small network for a few steps."""
    network = changes.pop("network", NetworkConfig(width=8, depth=2))
    changes = {"steps": 20, "device": Device.CPU, "precision": Precision.FP32, "threads": 1} | changes
    return TrainConfig(network=network, **({"augment": AugmentConfig(elastic=1)} | changes))


def run(job: Job[Model], when: Callable[[Event], Command | None] = lambda _: None) -> Ran:
    """Drain a job, sending what ``when`` says to each event."""
    events: list[Event] = []
    command: Command | None = None
    while True:
        try:
            events.append(job.send(command))
        except StopIteration as finished:
            return events, finished.value
        command = when(events[-1])


def stop_at(number: int) -> Callable[[Event], Command | None]:
    """Send Stop at the given Progress."""
    seen: list[Event] = []

    def when(event: Event) -> Command | None:
        seen.append(event)
        return Stop() if sum(type(e).__name__ == "Progress" for e in seen) == number else None

    return when


def labels_of(model: Model, scan: Scan) -> NDArray[np.uint8]:
    network = build(model.description.network, scan.channels, len(model.description.classes))
    load_weights(network, model.weights)
    images = torch.from_numpy(normalise(scan, model.description.normalisation)).movedim(1, 0)
    with torch.inference_mode():
        return np.array(model.description.labels, np.uint8)[network.eval()(images).argmax(1).numpy()]


def dice(found: NDArray[np.uint8], truth: NDArray[np.uint8], label: int) -> float:
    a, b = found == label, truth == label
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def texts(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Note))


@pytest.mark.parametrize("loss", Loss)
def test_a_phantom_is_learned_in_seconds(loss: Loss):
    scan, mask = blobs(8)
    model = train(scan, painted(mask, [0, 2, 4, 6]), quick(steps=150, learning_rate=8e-3, loss=loss))
    found = labels_of(model, scan)
    assert min(dice(found[1::2], mask[1::2], label) for label in (1, 2)) > 0.9


def test_scribbles_in_three_dimensions():
    flat, mask = blobs(3, side=32)
    scan, mask = Scan.from_array(np.repeat(flat.array[0], 4, axis=0)), np.repeat(mask, 4, axis=0)
    paint = np.zeros_like(mask)
    known = np.random.default_rng(0).random(mask.shape) < 0.05
    paint[known] = np.where(mask[known] == 0, 255, mask[known])
    config = quick(steps=80, learning_rate=0.01, patch_depth=6, network=NetworkConfig(dimensions=3, width=8, depth=2))
    model = train(scan, paint, config)
    network = build(model.description.network, 1, 3)
    load_weights(network, model.weights)
    images = torch.from_numpy(normalise(scan, model.description.normalisation))[None]
    with torch.inference_mode():
        found = network.eval()(images)[0].argmax(0).numpy().astype(np.uint8)
    assert min(dice(found, mask, label) for label in (1, 2)) > 0.7


@pytest.mark.parametrize(
    "network",
    [
        NetworkConfig(architecture="unet++", width=8, depth=2, deep_supervision=True, residual=True),
        NetworkConfig(architecture="attention-unet", width=8, depth=2, cbam=True, normalisation=Normaliser.GROUP),
        NetworkConfig(width=8, depth=2, deep_supervision=True, pyramid=True, separable=True, dropout=0.2),
    ],
    ids=lambda network: network.architecture,
)
def test_every_kind_of_network_learns(network: NetworkConfig):
    scan, mask = blobs(8)
    model = train(scan, painted(mask, [0, 2, 4, 6]), quick(steps=100, learning_rate=8e-3, network=network))
    found = labels_of(model, scan)
    assert min(dice(found[1::2], mask[1::2], label) for label in (1, 2)) > 0.85


def test_thick_slices_are_left_apart_until_voxels_are_as_large():
    scan, mask = blobs()
    assert scan.spacing == (3, 1, 1)
    config = quick(steps=2, patch_depth=4, network=NetworkConfig(dimensions=3, width=2, depth=3))
    model = train(scan, painted(mask, [0, 2, 4]), config)
    assert model.description.network.flat_levels == 2
    assert model.weights["down.1.0.conv.weight"].shape[2:] == (1, 3, 3)
    assert model.weights["down.2.0.conv.weight"].shape[2:] == (3, 3, 3)


def test_same_seed_same_weights():
    scan, mask = blobs()
    first, second, other = (
        train(scan, painted(mask, [0, 2, 4]), quick(steps=30, seed=seed)).weights for seed in (1, 1, 2)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_what_it_reports():
    scan, mask = blobs()
    events, model = run(train_job([scan], [painted(mask, [0, 1, 2, 3])], quick(steps=60)))
    assert events[0] == Started("Training", "CPU, 1 thread, fp32")
    progress = [event for event in events if isinstance(event, Progress)]
    assert len(progress) == 60
    assert all(a.fraction <= b.fraction for a, b in pairwise(progress))
    assert progress[-1].fraction == 1
    rounds = [event for event in events if isinstance(event, EpochDone)]
    assert [r.step for r in rounds] == [25, 50, 60]
    assert all(r.validation_dice is not None and set(r.dice_per_class) <= {1, 2} for r in rounds)
    best = next(r for r in reversed(rounds) if r.best)
    assert (best.validation_dice or 0) >= max(r.validation_dice or 0 for r in rounds) - 0.1
    assert model.description.learned_from.steps == best.step
    learned = model.description.learned_from
    assert learned.validation_dice == best.validation_dice
    assert sum(learned.held_out.values()) > 0
    told = any(isinstance(event, Note) and "little to measure on" in event.text for event in events)
    assert told == learned.measured_on_little


def test_the_model_says_what_it_is_and_nothing_about_the_patient():
    scan, mask = blobs()
    paint = painted(np.where(mask == 2, np.uint8(7), mask), [0, 2])
    liver = ClassInfo(label=7, name="liver", colour=(1.0, 0.5, 0.0))
    config = quick()
    description = train(scan, paint, config, classes=[liver]).description
    assert description.program == f"napari-unet-paint {__version__}"
    assert description.labels == (0, 1, 7)
    assert description.classes[2] == liver
    assert (description.spacing, description.unit) == ((3, 1, 1), "mm")
    assert description.training == config.model_copy(update={"network": description.network})
    learned = description.learned_from
    assert (learned.scans, learned.slices, learned.voxels[7]) == (1, 2, int((paint == 7).sum()))
    assert "secret" not in description.model_dump_json()


def test_stop_keeps_the_best_so_far():
    scan, mask = blobs()
    events, model = run(train_job([scan], [painted(mask, [0, 2, 4])], quick(steps=10_000)), stop_at(60))
    rounds = [event for event in events if isinstance(event, EpochDone)]
    assert model.description.learned_from.steps == next(r for r in reversed(rounds) if r.best).step
    assert sum(isinstance(event, Progress) for event in events) == 60


def test_stop_before_anything_was_measured_keeps_the_model_at_hand():
    scan, mask = blobs()
    _, model = run(train_job([scan], [painted(mask, [0, 2, 4])], quick(steps=10_000)), stop_at(3))
    assert model.description.learned_from.steps == 3
    assert model.description.learned_from.validation_dice is None


def test_stop_is_heard_at_the_first_event():
    scan, mask = blobs()
    job = train_job([scan], [painted(mask, [0])], quick(steps=10_000))
    _, model = run(job, lambda event: Stop() if isinstance(event, Started) else None)
    assert model.description.learned_from.steps == 1


def test_close_ends_it():
    scan, mask = blobs()
    job = train_job([scan], [painted(mask, [0, 2])], quick(steps=10_000))
    while not isinstance(next(job), Progress):
        pass
    job.close()
    with pytest.raises(StopIteration):
        next(job)


def test_time_ends_it():
    scan, mask = blobs()
    events, model = run(train_job([scan], [painted(mask, [0, 2])], quick(steps=0, time_limit=1)))
    assert 0.9 < model.description.learned_from.seconds < 3
    assert any(isinstance(event, Progress) and event.seconds_left is not None for event in events)


def test_preview_shows_labels_of_the_slice_looked_at():
    scan, mask = blobs()
    preview = np.zeros_like(mask)
    paint = painted(np.where(mask == 2, np.uint8(9), mask), [0, 2, 4])
    looked: list[Event] = []

    def when(event: Event) -> Command | None:
        looked.append(event)
        return LookAt(5) if sum(isinstance(e, Progress) for e in looked) == 100 else None

    run(train_job([scan], [paint], quick(steps=101), preview=preview), when)
    assert {event.z for event in looked if isinstance(event, Preview)} == {5}
    assert dice(preview[5], mask[5], 1) > 0.5
    assert set(np.unique(preview)) <= {0, 1, 9}
    assert not preview[:5].any()


def test_a_preview_may_be_in_three_dimensions_at_the_edge():
    scan, mask = blobs()
    preview = np.full_like(mask, 77)
    config = quick(steps=2, patch_depth=4, network=NetworkConfig(dimensions=3, width=2, depth=2))

    def when(event: Event) -> Command | None:
        return LookAt(99) if isinstance(event, Started) else None

    run(train_job([scan], [painted(mask, [0, 5])], config, preview=preview), when)
    assert (preview[5] != 77).all()
    assert (preview[:5] == 77).all()


def test_early_stopping_and_plateau(monkeypatch: pytest.MonkeyPatch):
    measured = iter([0.5, 0.6, 0.6, 0.55, 0.4])
    monkeypatch.setattr(Confusion, "dice", lambda _: {1: next(measured)})
    monkeypatch.setattr(Confusion, "chance", lambda _: 0.0)
    scan, mask = blobs()
    config = quick(steps=10_000, schedule=Schedule.PLATEAU, plateau_patience=1, early_stopping=3, learning_rate=0.01)
    events, model = run(train_job([scan], [painted(mask, list(range(6)))], config))
    rounds = [event for event in events if isinstance(event, EpochDone)]
    assert [r.best for r in rounds] == [True, True, True, False, False]
    assert [r.learning_rate for r in rounds] == pytest.approx([0.01, 0.01, 0.01, 0.001, 0.001])
    assert model.description.learned_from.steps == rounds[2].step


def test_scans_of_several_sizes_train_one_model():
    (small, small_mask), (large, large_mask) = blobs(2, 20), blobs(3, 70, seed=1)
    model = train([small, large], [painted(small_mask, [0, 1]), painted(large_mask, [1])], quick(patch=32))
    assert model.description.learned_from.scans == 2
    assert model.description.learned_from.slices == 3


def test_arrays_in_the_shape_of_the_user():
    _, mask = blobs(1)
    image = mask[0].astype(np.float64) * 100
    paint = np.where(mask[0] == 0, 255, mask[0]).astype(np.int64)
    assert train(image, paint, quick(steps=2)).description.labels == (0, 1, 2)


@pytest.mark.parametrize("unpainted", [Unpainted.PAINTED_SLICES, Unpainted.BACKGROUND])
def test_one_class_is_enough_when_the_rest_is_background(unpainted: Unpainted):
    scan, mask = blobs()
    paint = np.where(mask == 1, mask, 0)
    paint[3:] = 0
    learned = train(scan, paint, quick(steps=2, unpainted=unpainted)).description.learned_from
    assert learned.slices == (3 if unpainted is Unpainted.PAINTED_SLICES else 6)


def test_too_little_paint_to_measure_is_said():
    scan, mask = blobs()
    paint = np.zeros_like(mask)
    paint[2, :3, :3], paint[2, 10, 10] = 255, 1  # a class of one voxel
    events, model = run(train_job([scan], [paint], quick(steps=3)))
    assert "hold some of it out" in texts(events)
    assert model.description.learned_from.validation_dice is None
    assert model.description.learned_from.voxels == {0: 9, 1: 1}


def test_a_scan_smaller_than_the_stride():
    image = np.arange(35).reshape(1, 7, 5)
    paint = np.where(image > 17, 1, 255)
    model = train(image, paint, quick(steps=3, batch=1, network=NetworkConfig(width=2, depth=4)))
    assert model.description.network.depth == 4


def test_voxels_that_are_not_numbers_are_counted():
    scan, mask = blobs()
    image = scan.array[0].astype(np.float32)
    image[0, :2, :3] = np.nan
    events, model = run(train_job([Scan.from_array(image)], [painted(mask, [0])], quick(steps=3)))
    assert "6 voxels that are not numbers" in texts(events)
    assert all(np.isfinite(weights).all() for weights in model.weights.values())


def two_channels() -> Scan:
    return Scan.from_array(np.random.default_rng(0).random((2, 6, 48, 48)), "CZYX", name="two")


@pytest.mark.parametrize(
    ("scans", "paints", "says"),
    [
        (lambda s: [s], lambda p: [p[:3]], "paint on a layer made for this scan"),
        (lambda s: [s, two_channels()], lambda p: [p, p], "same channels"),
        (lambda s: [s], lambda p: [p, p], "its own paint"),
        (lambda s: [s.with_array(np.zeros_like(s.array))], lambda p: [p], "nothing to see"),
    ],
)
def test_refused(scans: Any, paints: Any, says: str):
    scan, mask = blobs()
    paint = painted(mask, [0])
    with pytest.raises(BadInput, match=says):
        run(train_job(scans(scan), paints(paint), quick()))


@pytest.mark.parametrize(("label", "says"), [(0, "Nothing is painted"), (1, "Only one class"), (255, "Nothing is")])
def test_too_little_paint_is_refused(label: int, says: str):
    scan, mask = blobs()
    with pytest.raises(NothingPainted, match=says):
        train(scan, np.full_like(mask, label), quick())


def test_a_missing_gpu_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    scan, mask = blobs()
    with pytest.raises(BadInput, match="set device to auto or cpu"):
        train(scan, painted(mask, [0]), quick(device=Device.CUDA))


def diverge_at(step: int, monkeypatch: pytest.MonkeyPatch, number: float = torch.nan) -> None:
    taken: list[int] = []
    really = Learner._step

    def _step(learner: Learner) -> float:
        taken.append(1)
        if len(taken) >= step:
            with torch.no_grad():
                next(learner.network.parameters()).fill_(number)
        return really(learner)

    monkeypatch.setattr(Learner, "_step", _step)


@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_a_training_that_diverges_keeps_the_best_before(monkeypatch: pytest.MonkeyPatch, number: float):
    diverge_at(30, monkeypatch, number)
    scan, mask = blobs()
    events, model = run(train_job([scan], [painted(mask, [0, 2])], quick(steps=100)))
    assert "diverged" in texts(events)
    assert model.description.learned_from.steps == 25
    assert all(np.isfinite(weights).all() for weights in model.weights.values())


def test_a_training_that_diverges_at_once_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    diverge_at(1, monkeypatch)
    scan, mask = blobs()
    with pytest.raises(BadInput, match="lower the learning rate"):
        train(scan, painted(mask, [0, 2]), quick())


def full_memory(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let memory run out on batches of more than ``most`` voxels."""
    really = Learner._logits

    def _logits(network: Network, images: torch.Tensor) -> list[torch.Tensor]:
        if images.numel() > most:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried ...")
        return really(network, images)

    monkeypatch.setattr(Learner, "_logits", staticmethod(_logits))


def test_full_memory_makes_the_batch_then_the_patch_smaller(monkeypatch: pytest.MonkeyPatch):
    full_memory(48 * 48 // 2, monkeypatch)
    scan, mask = blobs(side=64)
    events, _ = run(train_job([scan], [painted(mask, [0, 2])], quick(steps=3, batch=4, validation=0)))
    notes = texts(events)
    assert "with 2 patches a step" in notes
    assert "with 1 patch a step" in notes
    assert "32 x 32 voxels" in notes
    assert sum(isinstance(event, Progress) for event in events) == 3


def test_full_memory_has_an_end(monkeypatch: pytest.MonkeyPatch):
    full_memory(1, monkeypatch)
    scan, mask = blobs()
    with pytest.raises(OutOfMemory, match="smaller width"):
        train(scan, painted(mask, [0, 2]), quick())


def test_naming_the_room_does_not_import_torch():
    code = "import sys; from napari_unet.training import train, train_job; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
