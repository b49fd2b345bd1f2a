"""Which of the models of a training is kept."""

import pytest

from napari_unet.config import Schedule, TrainConfig
from napari_unet.training.course import Best, Course
from napari_unet.training.learner import Score


def score(step, dice, chance=0.005):
    return Score(step, {}, loss=0.1, dice=dice, chance=chance)


def test_the_higher_dice_is_kept():
    best = Best()
    assert [best.take(score(step, dice)) for step, dice in enumerate((0.6, 0.9, 0.7))] == [True, True, False]
    assert best.score is not None
    assert best.score.step == 1


def test_a_later_model_within_chance_is_kept():
    best = Best()
    best.take(score(1, 0.9))
    assert best.take(score(2, 0.89))


def test_a_lucky_early_model_does_not_compete():
    best = Best()
    best.take(score(1, 0.95), settled=False)
    assert best.take(score(2, 0.7))
    assert best.score is not None
    assert best.score.step == 2


def test_without_held_out_paint_the_last_is_kept():
    best = Best()
    assert all(best.take(Score(step, {})) for step in range(3))


@pytest.mark.parametrize(
    ("schedule", "step", "settled"),
    [
        (Schedule.COSINE, 10, False),
        (Schedule.COSINE, 50, True),
        (Schedule.POLYNOMIAL, 49, False),
        (Schedule.CONSTANT, 1, True),
        (Schedule.PLATEAU, 1, True),
    ],
)
def test_models_compete_once_the_learning_rate_is_low(schedule, step, settled):
    course = Course(TrainConfig(schedule=schedule, steps=100, time_limit=1e6), step=step)
    assert course.settled == settled
