"""What Ctrl-C does, and how progress is told."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from napari_unet.cli.running import run
from napari_unet.events import EpochDone, Note, Progress, Started, Stop
from napari_unet.inference.prediction import Prediction
from napari_unet.io import read_mask
from napari_unet.model_file import load_model

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole group of processes")


def fake_job(presses, seen):
    """Press Ctrl-C while slice 1 of 4 is made; stop when told to."""
    try:
        yield Started("counting", "this machine")
        for z in range(4):
            if z == 1:
                for _ in range(presses):
                    signal.raise_signal(signal.SIGINT)
            command = yield Progress((z + 1) / 4, f"slice {z + 1} of 4", 61.0)
            seen.append(command)
            if isinstance(command, Stop):
                break
        return "result"
    finally:
        seen.append("closed")


def test_without_ctrl_c_a_job_runs_to_its_end():
    seen = []
    ran = run(fake_job(0, seen), "count")
    assert (ran.result, ran.stopped) == ("result", False)
    assert seen == [None] * 4 + ["closed"]


def test_ctrl_c_stops_a_job_and_keeps_what_there_is(capsys):
    before = signal.getsignal(signal.SIGINT)
    seen = []
    ran = run(fake_job(1, seen), "count")
    assert (ran.result, ran.stopped) == ("result", True)
    assert seen == [None, Stop(), "closed"]
    assert "keeping what there is" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_closes_the_job():
    seen = []
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(fake_job(2, seen), "count")
    assert seen == [None, "closed"]
    assert signal.getsignal(signal.SIGINT) is before


def test_progress_is_told_in_lines_where_there_is_no_terminal(capsys, monkeypatch):
    def job():
        yield Started("Training", "CPU")
        yield Note("Too little is painted.")
        yield EpochDone(25, 1.0, 0.4, validation_dice=0.812)
        for step in range(1000):
            yield Progress(step / 1000, f"step {step}", 61.0)

    clock = iter(np.arange(0.0, 1000.0, 0.1))
    monkeypatch.setattr("napari_unet.cli.running.monotonic", lambda: next(clock))
    run(job(), "train")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["train: Training (CPU)", "train: Too little is painted."]
    assert 5 <= len(lines) <= 12
    assert all(line.endswith(", Dice 0.81 on held-out paint, 1 min 1 s left") for line in lines[2:])


def everything_from(terminal):
    """Read what is written to a pseudo-terminal until its other end is closed: a read gives 4 KB at most."""
    pieces = []
    while True:
        try:
            pieces.append(os.read(terminal, 100_000))
        except OSError:  # on Linux that is how the end is told
            pieces.append(b"")
        if not pieces[-1]:
            os.close(terminal)
            return b"".join(pieces).decode()


def test_a_terminal_gets_a_bar(model, nifti, tmp_path):
    pty = pytest.importorskip("pty", reason="pseudo-terminals are a matter of POSIX")
    master, slave = pty.openpty()
    argv = [sys.executable, "-m", "napari_unet", "predict", model, nifti.scan, "-o", tmp_path / "m.nrrd", "--threads=1"]
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(argv, stderr=slave, stdout=subprocess.PIPE, env=environment, text=True) as done:
        os.close(slave)
        drawn = everything_from(master)
        said, _ = done.communicate()
    assert "100%" in drawn
    assert said.strip() == str(tmp_path / "m.nrrd")
    assert done.returncode == 0


def test_an_interrupted_prediction_is_written_and_called_partial(command, model, nifti, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        yield Progress(0.25)
        signal.raise_signal(signal.SIGINT)
        assert isinstance((yield Progress(0.5)), Stop)
        return Prediction(np.zeros((8, 32, 32), np.uint8), None, (), (0, 1), ())

    monkeypatch.setattr("napari_unet.inference.prediction.predict_job", interrupted)
    status, out, _ = command("predict", model, nifti.scan, "-o", tmp_path / "m.nrrd")
    assert status == 0
    assert out == f"{tmp_path / 'm.nrrd'} is partial: 2 of 8 slices are done, the others are empty\n"
    assert read_mask(tmp_path / "m.nrrd").labels.shape == (8, 32, 32)


@pytest.fixture
def training(nifti, tmp_path):
    """Start a training that would take an hour, in a process of its own; give it once it has begun."""
    argv = [sys.executable, "-m", "napari_unet", "train", nifti.scan, nifti.paint, "-o", tmp_path / "m.unet"]
    argv += ["--preset", "paper", "--threads", "1", "--precision", "fp32", "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith("train: Training"):
                break
        yield process
        process.kill()


def test_a_training_that_is_interrupted_gives_the_model_so_far(training, tmp_path):
    training.send_signal(signal.SIGINT)
    out, told = training.communicate(timeout=60)
    assert training.returncode == 0, told
    assert json.loads(out)["stopped"] is True
    assert load_model(tmp_path / "m.unet").description.learned_from.steps >= 1


def test_a_training_that_is_interrupted_twice_writes_nothing(training, tmp_path):
    training.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):  # a step of this network takes longer
        training.communicate(timeout=0.3)
    training.send_signal(signal.SIGINT)
    out, told = training.communicate(timeout=60)
    assert training.returncode == 130
    assert out == ""
    assert told.splitlines()[-1] == "napari-unet: interrupted."
    assert list(tmp_path.iterdir()) == []
