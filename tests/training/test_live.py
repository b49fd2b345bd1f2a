"""Learning while a person paints: it goes on from round to round, with what changed, and can be closed at any yield."""

import numpy as np
import pytest
import torch

from napari_unet.annotation import BACKGROUND, IGNORE
from napari_unet.config import AugmentConfig, Device, NetworkConfig, Precision, TrainConfig
from napari_unet.errors import ModelMismatch, NothingPainted
from napari_unet.events import LookAt, Preview, Progress, Started
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import train
from napari_unet.training.live import LiveLearning, live_job
from napari_unet.training.material import gather
from napari_unet.training.sampling import PatchSize, Sampler, Source

TINY = TrainConfig(
    network=NetworkConfig(width=8, depth=2),
    learning_rate=8e-3,
    device=Device.CPU,
    precision=Precision.FP32,
    threads=1,
    validation=0.0,
    schedule="constant",
    augment=AugmentConfig(elastic=1),
)


@pytest.fixture
def disc():
    """A scan with a bright and a dark disc on each of 4 slices, its truth, and paint without anything on it."""
    y, x = np.mgrid[:48, :48]
    truth = np.zeros((4, 48, 48), np.uint8)
    truth[:, (y - 16) ** 2 + (x - 16) ** 2 < 60] = 1
    truth[:, (y - 34) ** 2 + (x - 34) ** 2 < 50] = 2
    image = np.array([0, 200, -200])[truth] + np.random.default_rng(0).normal(0, 20, truth.shape)
    return Scan.from_array(image.astype(np.float32)), truth, np.zeros_like(truth)


def say(paint, truth, z, labels=(1,)):
    paint[z] = np.where(np.isin(truth[z], labels), truth[z], np.where(truth[z] == 0, BACKGROUND, 0))


def go_on(live, paint, changed, steps, preview, command=None):
    """Learn for so many steps, then close it in the middle of the next, as painting does; give what it said."""
    job, end = live_job(live, paint, changed, seconds=600, preview=preview, look_at=3), live.steps + steps
    seen = [next(job)]
    while getattr(seen[-1], "text", "") != f"step {end}":
        seen.append(job.send(command))
    seen.append(job.send(command))
    job.close()
    return seen


def look(live, paint, preview, z):
    events = []
    run_here(live_job(live, paint, (), seconds=0, preview=preview, look_at=z), events.append)
    assert events[-1] == Preview(z)
    return preview[z]


def dice(found, truth, label):
    return 2 * ((found == label) & (truth == label)).sum() / ((found == label).sum() + (truth == label).sum())


def test_it_learns_goes_on_and_takes_a_new_class(disc):
    scan, truth, paint = disc
    live, preview = LiveLearning(scan, config=TINY), np.zeros_like(truth)
    say(paint, truth, 0)
    go_on(live, paint, (0,), 60, preview)
    assert live.steps == 60
    assert dice(look(live, paint, preview, 3), truth[3], 1) > 0.9
    assert not preview[0].any(), "only what is looked at"
    learner = live.learner
    say(paint, truth, 1)
    go_on(live, paint, (1,), 5, preview)
    assert live.learner is learner, "nothing is begun anew"
    assert live.steps == 65
    say(paint, truth, 2, labels=(1, 2))
    go_on(live, paint, (2,), 60, preview)
    found = look(live, paint, preview, 3)
    assert min(dice(found, truth[3], label) for label in (1, 2)) > 0.85
    model = live.model()
    assert model.description.labels == (0, 1, 2)
    assert model.description.learned_from.steps == live.steps == 125


def test_a_first_look_can_be_left_and_is_shown_before_the_first_step(disc):
    scan, truth, paint = disc
    say(paint, truth, 0)
    network = NetworkConfig(width=8, depth=2, filters=True)
    live, preview = LiveLearning(scan, config=TINY.model_copy(update={"network": network})), np.zeros_like(truth)
    job = live_job(live, paint, (0,), seconds=600, preview=preview, look_at=3)
    assert [type(next(job)) for _ in range(4)] == [Started] + [Progress] * 3
    job.close()
    assert live.learner.untaught is not None
    job = live_job(live, paint, (), seconds=600, preview=preview, look_at=3)
    while next(job) != Preview(3):
        assert live.learner.steps == 0
    assert dice(preview[3], truth[3], 1) > 0.9
    job.close()
    assert live.learner.untaught is None
    assert live.model().description.labels == (0, 1), "what it found in a first look is a model"


def test_it_goes_on_from_a_model_and_shows_where_one_looks(disc):
    scan, truth, paint = disc
    say(paint, truth, 0)
    start = train(scan, paint, TINY.model_copy(update={"steps": 90, "time_limit": 600}))
    correction = np.zeros_like(paint)
    correction[1, 5:9, 5:9] = BACKGROUND
    live, preview = LiveLearning(scan, model=start, config=TINY), np.zeros_like(truth)
    seen = go_on(live, correction, (1,), 2, preview, LookAt(2))
    assert Preview(2) in seen
    assert dice(preview[2], truth[2], 1) > 0.8, "it knows already what the model knew"
    assert live.model().description.learned_from.steps == start.description.learned_from.steps + 2


def test_without_enough_paint_it_says_what_to_do_and_hears_more(disc):
    scan, truth, paint = disc
    live, preview = LiveLearning(scan, config=TINY), np.zeros_like(truth)
    with pytest.raises(NothingPainted, match="some background"):
        next(live_job(live, paint, (), seconds=1, preview=preview, look_at=0))
    paint[0][truth[0] == 1] = 1
    with pytest.raises(NothingPainted, match="key G"):
        next(live_job(live, paint, (0,), seconds=1, preview=preview, look_at=0))
    say(paint, truth, 1)
    assert live.take(paint, (1,)) is live.learner
    paint[:] = 0
    with pytest.raises(NothingPainted):
        live.take(paint, (0, 1))
    with pytest.raises(NothingPainted, match="has not learned"):
        live.model()


def test_a_model_of_other_channels_is_refused(disc):
    scan, truth, paint = disc
    say(paint, truth, 0)
    start = train(scan, paint, TINY.model_copy(update={"steps": 1}))
    two = Scan.from_array(np.stack([scan.array[0]] * 2), "CZYX")
    with pytest.raises(ModelMismatch):
        LiveLearning(two, model=start)


def test_what_was_put_right_is_learned_from_twice(disc):
    scan, truth, paint = disc
    say(paint, truth, 1)
    corrected = np.zeros(paint.shape, np.bool_)
    corrected[1, :3, :3] = True
    material = gather([scan, scan], [paint, paint], TINY, (), torch.device("cpu"), corrections=[corrected, None])
    known = [(int((source.targets != IGNORE).sum()), source.stressed) for source in material.learned]
    whole = int((paint[1] != 0).sum())
    assert known == [(whole, False), (9, True), (whole, False)]


def test_what_was_put_right_comes_in_batches_of_its_own(disc):
    scan, truth, _ = disc
    image = torch.from_numpy(np.ascontiguousarray(scan.array[:, :1]))
    whole = torch.from_numpy(truth[:1].copy())
    few = torch.full_like(whole, 255)
    few[0, 3, 3] = 0
    sources = [Source(image, whole, (1, 1, 1)), Source(image, few, (1, 1, 1), stressed=True)]
    sampler = Sampler(sources, 3, np.random.default_rng(0))
    batches = [{place[0] for place in sampler.draw(3, PatchSize(1, 16, 16))} for _ in range(60)]
    assert all(len(batch) == 1 for batch in batches)
    assert 15 <= batches.count({1}) <= 45
