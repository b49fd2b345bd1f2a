"""How far a step goes, by every rule, and what happens to one that goes nowhere."""

from itertools import pairwise
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch

from napari_unet.config import AugmentConfig, Device, NetworkConfig, Optimizer, Precision, Schedule, TrainConfig
from napari_unet.events import EpochDone, Event, Note
from napari_unet.runner import run_here
from napari_unet.scan import Scan
from napari_unet.training import train, train_job
from napari_unet.training.learner import Learner
from napari_unet.training.optimisation import clip, learning_rate, optimizer_of


def halves() -> tuple[Scan, np.ndarray]:
    """A scan whose left half is bright, and its paint."""
    image = np.random.default_rng(0).normal(0, 0.3, (10, 32, 32)).astype(np.float32)
    image[..., :16] += 1
    paint = np.full(image.shape, 255, np.uint8)
    paint[..., :16] = 1
    return Scan.from_array(image), paint


def quick(**changes: Any) -> TrainConfig:
    given = {"steps": 25, "device": Device.CPU, "precision": Precision.FP32, "threads": 1, "validation": 0.2} | changes
    return TrainConfig(network=NetworkConfig(width=4, depth=2), augment=AugmentConfig(elastic=1), **given)


def rates(schedule: Schedule, steps: int = 100) -> list[float]:
    config = TrainConfig(schedule=schedule, learning_rate=0.1)
    given = [learning_rate(config, step / steps) for step in range(steps + 1)]
    return [rate for rate in given if rate is not None]


@pytest.mark.parametrize("schedule", [Schedule.COSINE, Schedule.ONE_CYCLE])
def test_schedules_that_rise_and_fall(schedule: Schedule):
    given = rates(schedule)
    top = given.index(max(given))
    assert all(before < after for before, after in pairwise(given[: top + 1]))
    assert all(before > after for before, after in pairwise(given[top:]))
    assert max(given) == pytest.approx(0.1, rel=0.01)
    assert top == {Schedule.COSINE: 5, Schedule.ONE_CYCLE: 30}[schedule]
    assert given[0] == pytest.approx({Schedule.COSINE: 0.004, Schedule.ONE_CYCLE: 0.004}[schedule], rel=0.01)
    assert given[-1] < 1e-5


def test_one_cycle_is_that_of_torch():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=101, cycle_momentum=False)
    expected = []
    for _ in range(101):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < 101:
            theirs.step()
    # theirs takes its top one step earlier
    assert rates(Schedule.ONE_CYCLE) == pytest.approx(expected, abs=0.004)


def test_polynomial_by_hand():
    given = rates(Schedule.POLYNOMIAL)
    assert (given[0], given[-1]) == (0.1, 0)
    assert given[50] == pytest.approx(0.1 * 0.5**0.9)


@pytest.mark.parametrize("schedule", [Schedule.CONSTANT, Schedule.PLATEAU])
def test_schedules_that_do_not_go_by_the_time(schedule: Schedule):
    assert rates(schedule) == []


@pytest.mark.parametrize("optimizer", Optimizer)
def test_every_optimizer_goes_downhill(optimizer: Optimizer):
    place = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    follow = optimizer_of(TrainConfig(optimizer=optimizer, learning_rate=0.01, weight_decay=0), [place])
    for _ in range(600):
        follow.zero_grad()
        place.square().sum().backward()
        follow.step()
    assert place.detach().norm() < 0.1


@pytest.mark.parametrize(("longest", "expected"), [(0.0, 5.0), (10.0, 5.0), (1.0, 1.0)])
def test_a_gradient_is_shortened_to_the_norm_allowed(longest: float, expected: float):
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(3)]
    parameters[0].grad, parameters[1].grad = torch.tensor([3.0]), torch.tensor([4.0])
    assert clip(parameters, longest) == 5
    found = torch.cat([parameters[0].grad, parameters[1].grad])
    assert found.norm().item() == pytest.approx(expected, rel=1e-4)
    assert torch.allclose(found / found.norm(), torch.tensor([0.6, 0.8]))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": Optimizer.SGD, "learning_rate": 0.01, "weight_decay": 3e-5, "schedule": Schedule.POLYNOMIAL},
        {"schedule": Schedule.ONE_CYCLE, "gradient_clipping": 1},
        {"schedule": Schedule.CONSTANT, "averaging": 0},
    ],
    ids=["as nnU-Net", "one cycle, clipped", "no average"],
)
def test_other_recipes_learn_too(changes: dict[str, Any]):
    scan, paint = halves()
    events: list[Event] = []
    run_here(train_job([scan], [paint], quick(steps=50, **changes)), events.append)
    rounds = [event for event in events if isinstance(event, EpochDone)]
    assert rounds[-1].train_loss < rounds[0].train_loss
    assert (rounds[-1].validation_dice or 0) > 0.8


def test_without_averaging_the_model_is_the_last_network():
    scan, paint = halves()
    kept: list[Learner] = []
    really = Learner.score

    def score(learner: Learner, step: int, *, measured: bool = True) -> Any:
        kept.append(learner)
        return really(learner, step, measured=measured)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Learner, "score", score)
        train(scan, paint, quick(steps=5, averaging=0))
    first, second = (network.state_dict() for network in (kept[0].network, kept[0].average))
    assert all(torch.equal(first[name], second[name]) for name in first if first[name].is_floating_point())


@pytest.mark.parametrize("bad", [nan, inf])
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_gradient_that_is_not_a_number_ends_the_training_with_the_best_before(precision: Precision, bad: float):
    """The loss is finite, so that nothing but the gradient shows it; it is the last step, after which none looks."""
    scan, paint = halves()
    taken: list[int] = []
    really = Learner._step

    def _step(learner: Learner) -> float:
        taken.append(1)
        if len(taken) == 30:
            next(learner.network.parameters()).register_hook(lambda gradient: gradient * bad)
        return really(learner)

    events: list[Event] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Learner, "_step", _step)
        model = run_here(train_job([scan], [paint], quick(steps=30, precision=precision, validation=0)), events.append)
    assert any("diverged" in event.text for event in events if isinstance(event, Note))
    assert model.description.learned_from.steps == 25
    assert all(np.isfinite(weights).all() for weights in model.weights.values())
