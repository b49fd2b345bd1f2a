"""Training, prediction and refinement in a real child process, on a phantom."""

import os
import pickle
import signal

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND, new_class
from napari_unet.config import (
    AugmentConfig,
    Device,
    FillBetweenConfig,
    KeepTouching,
    NetworkConfig,
    Precision,
    PredictConfig,
    RefineConfig,
    RemoveSmall,
    TrainConfig,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.errors import BadModelFile, JobFailed, NothingPainted
from napari_unet.events import Event, Preview, Progress, SlicesDone, Started, Stop
from napari_unet.inference import predict
from napari_unet.model_file import load_model
from napari_unet.refinement import fill_between, refine
from napari_unet.runner import (
    Closed,
    Exchange,
    Failed,
    FillDone,
    FillRequest,
    Finished,
    PredictDone,
    PredictRequest,
    RefineDone,
    RefineRequest,
    TrainRequest,
)
from napari_unet.scan import Geometry, Scan

WARM = ("napari_unet.training.loop", "napari_unet.inference.prediction", "napari_unet.refinement.pipeline")
COMPUTE = {"device": Device.CPU, "precision": Precision.FP32, "threads": 1}
CLASSES = (new_class(3, "disc"),)


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def phantom():
    """Give a scan with a bright disc, (4, 32, 32), and its true mask."""
    y, x = np.ogrid[:32, :32]
    mask = np.zeros((4, 32, 32), np.uint8)
    mask[:, (y - 14) ** 2 + (x - 18) ** 2 < 60] = 3
    image = np.where(mask, 300, 0) + np.random.default_rng(0).normal(0, 20, mask.shape)
    return Scan.from_array(image.astype(np.int16), spacing=(3, 1, 1), unit="mm", name="phantom"), mask


def training(exchange, phantom, steps, **details):
    scan, mask = phantom
    paint = np.zeros_like(mask)
    paint[[0, 2]] = np.where(mask[[0, 2]], mask[[0, 2]], BACKGROUND)
    config = TrainConfig(
        network=NetworkConfig(width=4, depth=2),
        steps=steps,
        time_limit=600,
        augment=AugmentConfig(elastic=0),
        **COMPUTE,
    )
    return TrainRequest(
        scans=(exchange.put_scan(scan),),
        paints=(exchange.put(details.pop("paint", paint)),),
        config=config,
        classes=CLASSES,
        model_path=str(exchange.path(".unet")),
        **details,
    )


def test_train_predict_and_refine(start_child, exchange, phantom):
    talk = start_child(WARM)
    scan, _ = phantom

    events, trained = talk.outcome(training(exchange, phantom, 3))
    assert isinstance(trained, Finished), trained
    assert isinstance(events[0], Started)
    progress = [event.fraction for event in events if isinstance(event, Progress)]
    assert progress == sorted(progress)
    model = load_model(trained.result.model_path)
    assert model.description == trained.result.description
    assert model.description.classes[1] == CLASSES[0]
    assert model.description.learned_from.steps <= 3

    shared, out = exchange.put_scan(scan), exchange.empty(scan.grid, np.uint8)
    seen = out.open()
    request = PredictRequest((trained.result.model_path,), shared, out, PredictConfig(**COMPUTE), look_at=2)
    events, predicted = talk.outcome(request)
    done = [event.slices for event in events if isinstance(event, SlicesDone)]
    assert done[0][0] == 2
    assert predicted == Finished(PredictDone((0, 1, 2, 3), 4))
    np.testing.assert_array_equal(seen, predict(model, scan, PredictConfig(**COMPUTE)).labels)

    speckled = np.zeros(scan.grid, np.uint8)
    speckled[:, 10:20, 10:20], speckled[0, 0, 0] = 3, 3
    refined = exchange.empty(scan.grid, np.uint8)
    steps = RefineConfig(steps=(RemoveSmall(),))
    events, end = talk.outcome(RefineRequest(exchange.put(speckled), refined, steps, scan.spacing, scan.depth))
    assert isinstance(events[0], Started)
    assert end == Finished(RefineDone({}, {3: 1}, 0.003))
    assert refined.open()[0, 0, 0] == 0
    assert (refined.open() > 0).sum() == 400


def test_a_refinement_sees_all_that_is_known(start_child, exchange, phantom):
    talk = start_child()
    scan, _ = phantom
    mask = np.ones(scan.grid, np.uint8)
    painted, region = np.zeros(scan.grid, bool), np.zeros(scan.grid, np.uint8)
    painted[:, 0, :5], region[:, :20] = True, 2
    steps = RefineConfig(steps=(WithinIntensities(lowest=0), WithinRegion(), KeepTouching(points=((0, 0, 0),))))
    request = RefineRequest(
        exchange.put(mask),
        exchange.empty(scan.grid, np.uint8),
        steps,
        scan.spacing,
        scan.depth,
        protected=exchange.put(painted),
        intensities=exchange.put(scan.array),
        probabilities=(exchange.put(np.stack([1.0 - mask, mask])), (0, 1)),
        region=exchange.put(region),
        geometry=Geometry.from_spacing(scan.spacing),
        slices=(1, 2),
    )
    assert len(pickle.dumps(request)) < 2000
    _, end = talk.outcome(request)
    expected = refine(
        mask, steps, spacing=scan.spacing, protected=painted, intensities=scan.array, region=region
    ).labels
    expected[[0, 3]] = mask[[0, 3]]
    assert isinstance(end, Finished), end
    np.testing.assert_array_equal(request.out.open(), expected)
    assert end.result.removed == {1: int(np.count_nonzero(expected == 0))}
    assert 0 < end.result.removed[1] < mask[:2].size


def test_paint_is_filled_between_slices(start_child, exchange):
    talk = start_child()
    paint = np.zeros((5, 16, 16), np.uint8)
    paint[0, 2:14, 2:14] = paint[4, 6:10, 6:10] = 7
    request = FillRequest(
        exchange.put(paint), exchange.empty(paint.shape, np.uint8), FillBetweenConfig(), (2.0, 1.0, 1.0), 5
    )
    _, end = talk.outcome(request)
    expected = fill_between(paint, spacing=(2.0, 1.0, 1.0))
    np.testing.assert_array_equal(request.out.open(), expected.paint)
    assert end == Finished(FillDone(expected.added, 0.002))
    assert expected.added[7] > 0


def test_a_training_stops_closes_and_dies(start_child, exchange, phantom):
    talk = start_child(WARM)
    preview = exchange.empty(phantom[0].grid, np.uint8)
    seen = preview.open()
    endless = training(exchange, phantom, 10**6, preview=preview, look_at=1)

    talk.child.run(endless)
    assert talk.until(Preview)[-1].z == 1
    assert not seen[[0, 2, 3]].any()
    talk.child.tell(Stop())
    stopped = talk.until(Finished)[-1].result
    assert 0 < load_model(stopped.model_path).description.learned_from.steps < 10**6
    os.unlink(stopped.model_path)

    talk.child.run(endless)
    talk.until(Progress)
    talk.child.close_job()
    talk.until(Closed)
    assert not os.path.exists(endless.model_path)

    talk.child.run(endless)
    talk.until(Progress)
    os.kill(talk.child.pid, signal.SIGKILL)
    error = talk.until(Failed)[-1].error
    assert type(error) is JobFailed
    assert "It was killed" in str(error)
    assert not os.path.exists(endless.model_path)


def test_what_the_engines_refuse_comes_through(start_child, exchange, phantom):
    talk = start_child(WARM)
    scan, mask = phantom
    _, nothing = talk.outcome(training(exchange, phantom, 3, paint=np.zeros_like(mask)))
    assert type(nothing.error) is NothingPainted
    assert "Nothing is painted yet" in str(nothing.error)
    missing = PredictRequest(("gone.unet",), exchange.put_scan(scan), exchange.put(mask), PredictConfig(**COMPUTE))
    events, end = talk.outcome(missing)
    assert all(isinstance(event, Event) for event in events)
    assert type(end.error) is BadModelFile
    assert "cannot read the model gone.unet" in str(end.error)
