"""A model that goes on: what it knows stays, a class can be added, and it is never worse than it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND, new_class
from napari_unet.config import AugmentConfig, Device, NetworkConfig, Precision, TrainConfig
from napari_unet.errors import BadInput, ModelMismatch
from napari_unet.events import Note
from napari_unet.networks import build, load_weights
from napari_unet.normalisation import measure, normalise
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import Start, train, train_job
from napari_unet.training.start import HEAD, continued, grown

LEVELS = np.array([0, 200, -200, 90])


def discs(seed, labels=(1, 2), slices=6, side=48, name="scan", shift=0):
    """A scan of noise with a disc of each label on each slice, and its mask, (Z, Y, X)."""
    random = np.random.default_rng(seed)
    mask = np.zeros((slices, side, side), np.uint8)
    y, x = np.mgrid[:side, :side]
    for z in range(slices):
        for label in labels:
            centre = random.uniform(8, side - 8, 2)
            mask[z][(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < 36] = label
    image = LEVELS[mask] + random.normal(shift, 25, mask.shape)
    return Scan.from_array(image.astype(np.float32), name=name), mask


def painted(mask, slices):
    paint = np.zeros_like(mask)
    paint[slices] = np.where(mask[slices] == 0, BACKGROUND, mask[slices])
    return paint


def config(**changes):
    given = {
        "network": NetworkConfig(width=8, depth=2),
        "steps": 120,
        "time_limit": 600,
        "learning_rate": 8e-3,
        "device": Device.CPU,
        "precision": Precision.FP32,
        "threads": 1,
        "validation": 0.0,
        "augment": AugmentConfig(elastic=1),
    }
    return TrainConfig(**given | changes)


def labels_of(model, scan):
    network = build(model.description.network, scan.channels, len(model.description.classes))
    load_weights(network, model.weights)
    images = torch.from_numpy(normalise(scan, measure(scan))).movedim(1, 0)
    with torch.inference_mode():
        return np.array(model.description.labels, np.uint8)[network.eval()(images).argmax(1).numpy()]


def dice(found, truth, label):
    a, b = found == label, truth == label
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.fixture(scope="module")
def model():
    scan, mask = discs(0)
    torch.set_num_threads(1)
    return train(scan, painted(mask, [0, 2, 4]), config())


def test_a_few_steps_on_a_new_scan_are_enough(model):
    scan, mask = discs(1)
    gone_on = train(scan, painted(mask, [0]), config(steps=10), start=Start(model))
    begun_anew = train(scan, painted(mask, [0]), config(steps=10))
    assert gone_on.description.network == model.description.network
    assert dice(labels_of(gone_on, scan), mask, 1) > 0.9 > dice(labels_of(begun_anew, scan), mask, 1)


def test_classes_that_are_not_painted_this_time_are_kept(model):
    scan, mask = discs(1)
    only_one = painted(np.where(mask == 2, 0, mask), [0])
    only_one[mask == 2] = 0
    gone_on = train(scan, only_one, config(steps=10, hold=300), start=Start(model))
    assert gone_on.description.labels == (0, 1, 2)
    assert dice(labels_of(gone_on, scan), mask, 2) > 0.8


@pytest.mark.parametrize("again", [False, True], ids=["held", "shown again"])
def test_a_class_is_added(model, again):
    before, before_mask = discs(0)
    scan, mask = discs(3, labels=(1, 2, 3))
    start = Start(model, [before], [painted(before_mask, [0, 2, 4])]) if again else Start(model)
    events = []
    job = train_job([scan], [painted(mask, [0, 2])], config(steps=130), start=start, classes=[new_class(3, "stone")])
    grown_model = run_here(job, events.append)
    assert [info.name for info in grown_model.description.classes] == ["background", "class 1", "class 2", "stone"]
    found = labels_of(grown_model, scan)
    assert min(dice(found, mask, label) for label in (1, 2, 3)) > 0.85
    assert min(dice(labels_of(grown_model, before), before_mask, label) for label in (1, 2)) > 0.85
    told = " ".join(event.text for event in events if isinstance(event, Note))
    assert ("stays background" in told) == again


def test_a_new_row_takes_its_share_of_the_background_and_the_old_ones_stay(model):
    weights = grown(model.weights, (0, 1, 2), (0, 1, 2, 9))
    for name, value in weights.items():
        if name.startswith(HEAD):
            assert np.array_equal(value[1:3], model.weights[name][1:3])
            assert np.array_equal(value[0], value[3])
        else:
            assert value is model.weights[name]
    features = np.random.default_rng(0).normal(size=8).astype(np.float32)

    def shares(weights):
        logits = weights["head.weight"][:, :, 0, 0] @ features + weights["head.bias"]
        return np.exp(logits) / np.exp(logits).sum()

    before, after = shares(model.weights), shares(weights)
    assert after[1:3] == pytest.approx(before[1:3], rel=1e-4)
    assert after[0] + after[3] == pytest.approx(before[0], rel=1e-4)


def test_rows_keep_their_labels_when_a_smaller_one_is_added():
    scan, mask = discs(0)
    model = train(scan, painted(np.where(mask == 2, np.uint8(7), mask), [0]), config(steps=2))
    weights = grown(model.weights, (0, 1, 7), (0, 1, 4, 7))
    assert np.array_equal(weights["head.weight"][[0, 1, 3], 1:], model.weights["head.weight"][:, 1:])


def test_held_it_stays_nearer_to_what_it_was(model):
    scan, mask = discs(1, shift=100)

    def way_gone(hold):
        after = train(scan, painted(mask, [0]), config(steps=20, hold=hold), start=Start(model))
        return sum(
            float(((after.weights[n] - model.weights[n]) ** 2).sum()) for n in model.weights if "conv.weight" in n
        )

    assert way_gone(300) < 0.5 * way_gone(0)


def test_held_it_normalises_as_before(model):
    scan, mask = discs(1, shift=100)
    held = train(scan, painted(mask, [0]), config(steps=3), start=Start(model))
    free = train(scan, painted(mask, [0]), config(steps=3, hold=0), start=Start(model))
    measured = [name for name in model.weights if "running" in name]
    assert measured
    for name in measured:
        np.testing.assert_array_equal(held.weights[name], model.weights[name])
    assert not any(np.array_equal(free.weights[name], model.weights[name]) for name in measured)


def test_what_pixels_look_like_is_learned_anew_with_the_old_paint_at_hand_and_kept_without():
    first, mask = discs(1)
    other, other_mask = discs(2, shift=60)
    short = config(steps=3, network=NetworkConfig(width=8, depth=2, filters=True))
    before = train(first, painted(mask, [0]), short)
    new = other, painted(other_mask, [1])
    seen = "pixels.hidden.0.weight"

    held = train(*new, short, start=Start(before))
    np.testing.assert_array_equal(held.weights[seen], before.weights[seen])

    shown_again = train(*new, short, start=Start(before, [first], [painted(mask, [0])]))
    assert not np.allclose(shown_again.weights[seen], before.weights[seen], atol=1e-3)


def test_it_learns_as_fast_as_at_first_when_nothing_that_it_learned_from_is_missing(model):
    first, mask = discs(0)
    other, _ = discs(1)
    again = Start(model, [other], [painted(mask, [0])])
    assert again.nothing_is_missing([first], [painted(mask, [0, 2, 4])])
    assert not again.nothing_is_missing([first], [painted(mask, [5])]), "the scan is here, but not what was painted"
    assert not again.nothing_is_missing([other], [painted(mask, [0, 2, 4])])
    rate, labels = config().learning_rate, (0, 1, 2)
    assert continued(config(), again, labels, whole=True).learning_rate == rate
    assert continued(config(), again, labels).learning_rate < rate


def test_it_sums_up_what_it_learned_from(model):
    scan, mask = discs(1)
    before = model.description.learned_from
    learned = train(scan, painted(mask, [0, 1]), config(steps=3), start=Start(model)).description.learned_from
    assert (learned.scans, learned.slices, learned.steps) == (2, before.slices + 2, before.steps + 3)
    assert learned.voxels[1] == before.voxels[1] + int((mask[:2] == 1).sum())


def test_a_model_that_gains_nothing_is_given_as_it_was(model):
    scan, mask = discs(1, slices=10)
    noise = np.random.default_rng(0).permutation(painted(mask, list(range(10))).ravel()).reshape(mask.shape)
    events = []
    paint = np.where(np.arange(10)[:, None, None] < 9, noise, painted(mask, list(range(10))))
    job = train_job([scan], [paint], config(steps=30, validation=0.1, learning_rate=0.5), start=Start(model))
    after = run_here(job, events.append)
    told = " ".join(event.text for event in events if isinstance(event, Note))
    if "as it was" in told:
        assert all(np.array_equal(after.weights[name], model.weights[name]) for name in model.weights)
    else:
        assert "before, and is" in told


def test_other_intensities_are_said(model):
    scan, mask = discs(1, name="another")
    events = []
    darker = scan.with_array(scan.array * 10)
    run_here(train_job([darker], [painted(mask, [0])], config(steps=1), start=Start(model)), events.append)
    assert any(isinstance(e, Note) and "normalised by its own" in e.text for e in events)
    quiet = []
    run_here(train_job([scan], [painted(mask, [0])], config(steps=1), start=Start(model)), quiet.append)
    assert not any(isinstance(e, Note) and "normalised by its own" in e.text for e in quiet)


def test_other_channels_are_refused(model):
    scan, mask = discs(1)
    two = Scan.from_array(np.concatenate([scan.array, scan.array]), "CZYX", name="two")
    with pytest.raises(ModelMismatch, match="begin with a new network"):
        train(two, painted(mask, [0]), config(), start=Start(model))


def test_a_scan_shown_again_needs_its_paint(model):
    scan, mask = discs(1)
    with pytest.raises(BadInput, match="its own paint"):
        train(scan, painted(mask, [0]), config(), start=Start(model, [scan], []))


def test_it_can_be_trained_with_another_config_than_its_network(model):
    scan, mask = discs(1)
    after = train(scan, painted(mask, [0]), config(steps=2, network=NetworkConfig(width=4)), start=Start(model))
    assert after.description.network == model.description.network
    assert replace(after, weights=model.weights).weights is model.weights
