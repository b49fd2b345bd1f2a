"""What a model makes of held-out paint: thresholds, confusion, patches, and the files made of them."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from napari_unet.annotation import BACKGROUND, BACKGROUND_CLASS, IGNORE, new_class
from napari_unet.config import Device, NetworkConfig, Precision, TrainConfig
from napari_unet.errors import BadInput
from napari_unet.events import EpochDone
from napari_unet.inference import predict
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import train_job
from napari_unet.training.drawing import ticks
from napari_unet.training.evidence import load_evidence
from napari_unet.training.given import Given
from napari_unet.training.loop import training
from napari_unet.training.metrics import Tally
from napari_unet.training.report import write_report
from napari_unet.training.tensorboard import logged

CLASSES = (BACKGROUND_CLASS, new_class(7, "liver, left"))


def evidence_of(likely, truth):
    """Evidence of one patch of a row of voxels, from how likely they are to be of class 7."""
    likely = torch.tensor(likely, dtype=torch.float64)[None, :, None]
    logits = torch.stack([(1 - likely).log(), likely.log()], dim=1)[:, :, None]
    targets = torch.tensor(truth, dtype=torch.uint8)[None, None, :, None]
    tally = Tally((0, 7), torch.device("cpu"))
    tally.add(torch.zeros(1, 1, 1, len(truth), 1), logits.float(), targets)
    return tally.evidence(CLASSES)


def test_precision_and_recall_are_counted_at_each_threshold():
    evidence = evidence_of([0.955, 0.805, 0.605, 0.305, 0.105, 0.5], [1, 1, 0, 1, 0, IGNORE])
    curve = evidence.curve(7)
    for threshold, precision, recall in [(0, 3 / 5, 1), (0.2, 3 / 4, 1), (0.5, 2 / 3, 2 / 3), (0.7, 1, 2 / 3)]:
        point = curve[round(100 * threshold)]
        assert (point.threshold, point.precision, point.recall) == pytest.approx((threshold, precision, recall))
    assert np.isnan(curve[98].precision)
    best = evidence.best(7)
    assert 0.1 < best.threshold <= 0.3
    assert best.dice == pytest.approx(2 * 0.75 / 1.75)
    assert evidence.confusion.tolist() == [[1, 1], [1, 2]]
    assert evidence.truth.tolist() == [[[7], [7], [BACKGROUND], [7], [BACKGROUND], [0]]]
    assert evidence.measured == CLASSES[1:]


@pytest.fixture(scope="module")
def trained():
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    mask = np.zeros((10, 48, 48), np.uint8)
    mask[:, 10:30, 12:34] = 7
    scan = Scan.from_array((150 * (mask > 0) + random.normal(0, 80, mask.shape)).astype(np.float32), name="Jane Doe")
    paint = np.where(mask == 0, BACKGROUND, mask).astype(np.uint8)
    config = TrainConfig(
        network=NetworkConfig(width=8, depth=2),
        steps=60,
        time_limit=600,
        device=Device.CPU,
        precision=Precision.FP32,
        threads=1,
    )
    return run_here(training(Given([scan], [paint], config, CLASSES))), scan, config, paint


def test_a_training_gives_evidence_that_agrees_with_its_dice(trained, tmp_path):
    result, *_ = trained
    evidence = result.evidence
    both, truth, found = evidence.confusion[1, 1], evidence.confusion[1].sum(), evidence.confusion[:, 1].sum()
    assert 2 * both / (truth + found) == pytest.approx(result.model.description.learned_from.validation_dice, abs=1e-6)
    assert evidence.best(7).dice >= evidence.curve(7)[50].dice > 0.8
    evidence.save(tmp_path / "evidence.npz")
    again = load_evidence(tmp_path / "evidence.npz")
    assert again.classes == evidence.classes
    assert np.array_equal(again.images, evidence.images)
    (tmp_path / "evidence.npz").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="cannot be read"):
        load_evidence(tmp_path / "evidence.npz")


def test_a_threshold_kept_in_the_model_is_used_by_prediction(trained):
    result, scan, *_ = trained

    def found(threshold):
        kept = result.model.description.model_copy(update={"thresholds": {7: threshold}})
        return int((predict(replace(result.model, description=kept), scan).labels == 7).sum())

    assert found(0.05) > found(0.5) > found(0.95)


def test_the_report_is_tables_and_pictures_without_names(trained, tmp_path):
    result, *_ = trained
    written = write_report(tmp_path, result.rounds, result.evidence, result.model.description.classes)
    assert {path.name for path in written} == {
        "curves.csv", "curves.png", "precision_recall.csv", "precision_recall.png", "confusion.csv", "confusion.png",
        "patches.png",
    }  # fmt: skip
    with (tmp_path / "curves.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [done.step for done in result.rounds]
    assert float(rows[-1]["Dice of liver, left"]) == pytest.approx(result.rounds[-1].dice_per_class[7], rel=1e-5)
    for path in written:
        assert b"Jane" not in path.read_bytes()
        if path.suffix == ".png":
            assert len(np.unique(np.asarray(Image.open(path)))) > 5


def test_without_held_out_paint_there_are_curves_only(tmp_path):
    written = write_report(tmp_path, [EpochDone(5, 1.0, float("nan"))], None, CLASSES)
    assert [path.name for path in written] == ["curves.csv", "curves.png"]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 0.1), (17, 1234), (0.1, 0.1001)])
def test_ticks_are_few_and_round(low, high):
    values = ticks(low, high)
    assert 3 <= len(values) <= 8
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in values)


def test_tensorboard_reads_the_events(trained, tmp_path):
    result, scan, config, paint = trained
    model = run_here(logged(train_job([scan], [paint], config, classes=CLASSES), tmp_path))
    assert all(np.array_equal(model.weights[name], result.model.weights[name]) for name in model.weights)
    read = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss/training", "loss/validation", "Dice/mean", "Dice/class 7", "learning rate"} <= set(
        read.Tags()["scalars"]
    )
    events = read.Scalars("Dice/class 7")
    assert [event.step for event in events] == [done.step for done in result.rounds]
    assert events[-1].value == pytest.approx(result.rounds[-1].dice_per_class[7], abs=1e-6)
    assert all(b"Jane" not in path.read_bytes() for path in tmp_path.iterdir())
