"""A training that was interrupted goes on exactly where it was."""

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND
from napari_unet.config import AugmentConfig, Device, NetworkConfig, Precision, Schedule, TrainConfig
from napari_unet.errors import BadInput
from napari_unet.events import EpochDone, Note, Progress, Stop
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import Start, train, unfinished
from napari_unet.training.given import Given
from napari_unet.training.loop import training


def phantom(seed=0, side=48):
    random = np.random.default_rng(seed)
    mask = np.zeros((6, side, side), np.uint8)
    mask[:, 10:30, 12:34] = 1
    image = 200 * mask + random.normal(0, 60, mask.shape)
    return Scan.from_array(image.astype(np.float32)), np.where(mask == 0, BACKGROUND, mask).astype(np.uint8)


def config(**changes):
    given = {
        "network": NetworkConfig(width=4, depth=2),
        "steps": 70,
        "time_limit": 600,
        "device": Device.CPU,
        "precision": Precision.FP32,
        "threads": 1,
    }
    return TrainConfig(**given | changes)


def given(tmp_path, **changes):
    scan, paint = phantom()
    return Given([scan], [paint], config(**changes), unfinished=tmp_path / "a.unfinished")


def run(given, stop_at=None):
    """Train, stopping at a step."""
    events = []

    def command():
        step = sum(isinstance(event, Progress) for event in events)
        return Stop() if step == stop_at else None

    return run_here(training(given), events.append, command), events


def assert_same(first, second):
    assert first.weights.keys() == second.weights.keys()
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)


DROPPING = {
    "network": NetworkConfig(width=4, depth=2, dropout=0.3),
    "schedule": Schedule.PLATEAU,
    "plateau_patience": 1,
}
MOMENTUM = {"optimizer": "sgd", "learning_rate": 0.01, "augment": AugmentConfig(blur_share=0.5)}


@pytest.mark.parametrize(("stop_at", "changes"), [(3, {}), (25, {}), (40, {}), (40, DROPPING), (25, MOMENTUM)])
def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path, stop_at, changes):
    whole, rounds = run(given(tmp_path, **changes))
    stopped, _ = run(given(tmp_path, **changes), stop_at)
    assert (whole.finished, stopped.finished) == (True, False)
    torch.rand(7)  # what happens in between changes nothing
    resumed, again = run(replace(given(tmp_path, **changes), resume=True))
    assert resumed.finished
    assert_same(resumed.model, whole.model)

    def curve(events):
        return [(e.step, e.train_loss, e.validation_dice, e.best) for e in events if isinstance(e, EpochDone)]

    assert curve(again) == curve(rounds)
    learned = resumed.model.description.learned_from
    assert learned.seconds > stopped.model.description.learned_from.seconds


def test_it_goes_on_twice_and_for_longer(tmp_path):
    whole, _ = run(given(tmp_path))
    run(given(tmp_path), 20)
    run(replace(given(tmp_path), resume=True), 20)
    resumed, _ = run(replace(given(tmp_path), resume=True))
    assert_same(resumed.model, whole.model)


def test_a_model_that_goes_on_is_resumed_too(tmp_path):
    scan, paint = phantom(1)
    start = Start(train(*phantom(0), config(steps=5)), *zip(phantom(0), strict=True))
    begun = replace(given(tmp_path), scans=[scan], paints=[paint], start=start)
    whole, _ = run(begun)
    run(begun, 30)
    assert_same(run(replace(begun, resume=True))[0].model, whole.model)


def test_after_a_kill_the_last_state_is_there(tmp_path):
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        from napari_unet.config import Device, NetworkConfig, Precision, TrainConfig
        from napari_unet.events import Progress
        from napari_unet.scan import Scan
        from napari_unet.training import unfinished
        from napari_unet.training.given import Given
        from napari_unet.training.loop import training
        unfinished.EVERY = unfinished.SHARE = 1e-9
        unfinished.SHARE = 1e9
        scan, paint = np.load(sys.argv[1]), np.load(sys.argv[2])
        config = TrainConfig.model_validate_json(sys.argv[3])
        given = Given([Scan.from_array(scan)], [paint], config, unfinished=Path(sys.argv[4]))
        steps = 0
        for event in training(given):
            steps += isinstance(event, Progress)
            if steps == 40:
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    scan, paint = phantom()
    np.save(tmp_path / "scan.npy", scan.array[0])
    np.save(tmp_path / "paint.npy", paint)
    kept = tmp_path / "a.unfinished"
    arguments = [tmp_path / "scan.npy", tmp_path / "paint.npy", config().model_dump_json(), kept]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert unfinished.read(kept)["step"] == 39
    assert_same(run(replace(given(tmp_path), resume=True))[0].model, run(given(tmp_path))[0].model)


def test_it_is_written_now_and_then_only(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(unfinished.Unfinished, "write", lambda *_: written.append(1))
    monkeypatch.setattr(unfinished, "EVERY", 0.05)
    trained, _ = run(given(tmp_path, steps=60))
    most = trained.model.description.learned_from.seconds / 0.05
    assert 1 <= len(written) <= most


def test_a_full_disk_does_not_end_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "EVERY", 0.0)

    def full(state, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    trained, events = run(given(tmp_path, steps=10))
    told = [event.text for event in events if isinstance(event, Note) and "gone on with" in event.text]
    assert trained.finished
    assert len(told) == 1
    assert "No space left" in told[0]


def test_other_paint_is_refused(tmp_path):
    run(given(tmp_path), 3)
    _, paint = phantom()
    paint[0, 0, 0] = 0
    with pytest.raises(BadInput, match="not the one that this training learned from"):
        run(replace(given(tmp_path), paints=[paint], resume=True))


def test_other_parameters_are_refused_but_more_time_is_not(tmp_path):
    run(given(tmp_path), 3)
    with pytest.raises(BadInput, match="another learning rate"):
        run(replace(given(tmp_path, learning_rate=0.1), resume=True))
    longer, _ = run(replace(given(tmp_path, steps=80, time_limit=500), resume=True))
    assert longer.finished


@pytest.mark.parametrize(
    ("content", "says"), [(None, "is missing"), (b"PK\x03\x04 nothing", "is damaged"), (b"", "is damaged")]
)
def test_what_is_no_state_is_refused(tmp_path, content, says):
    begun = replace(given(tmp_path), resume=True)
    if content is not None:
        begun.unfinished.write_bytes(content)
    with pytest.raises(BadInput, match=says):
        run(begun)


def test_nothing_of_the_patient_is_in_it(tmp_path):
    scan, paint = phantom()
    named = replace(given(tmp_path), scans=[replace(scan, name="Jane Doe")], paints=[paint])
    run(named, 3)
    assert b"Jane" not in named.unfinished.read_bytes()
    assert unfinished.config_of(named.unfinished).steps == 70
