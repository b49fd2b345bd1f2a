"""Several models, views and samples: their mean, how sure it is, and where a class begins."""

import numpy as np
import pytest
import torch

from napari_unet.config import Flip, PredictConfig
from napari_unet.errors import BadInput
from napari_unet.inference import predict
from napari_unet.inference.engine import Engine
from napari_unet.inference.maps import Decision, uncertainty
from napari_unet.inference.views import VIEWS
from napari_unet.model_file import Model


def with_other_weights(model, seed):
    rng = np.random.default_rng(seed)
    weights = {
        name: value + rng.normal(0, 0.1, value.shape).astype(np.float32) for name, value in model.weights.items()
    }
    for name in weights:
        if name.endswith("running_var"):
            weights[name] = np.abs(weights[name]) + 0.1
    return Model(model.description, weights)


@pytest.mark.parametrize("view", VIEWS)
def test_what_is_seen_another_way_is_brought_back(view):
    picture = torch.arange(2 * 3 * 5).reshape(2, 3, 5)
    assert torch.equal(view.undone(view.of(picture)), picture)


def test_the_views_are_eight_different_ones():
    picture = torch.arange(9).reshape(3, 3)
    assert len({tuple(view.of(picture).flatten().tolist()) for view in VIEWS}) == 8


def test_several_models_say_the_mean_of_each(phantom, config):
    models = [phantom.model(), with_other_weights(phantom.model(), 1), phantom.model(depth=1)]
    scan = phantom.scan(2, 40, 33)
    mean = np.mean([phantom.reference(model, scan) for model in models], axis=0)
    result = predict(models, scan, config, with_probabilities=True)
    np.testing.assert_allclose(result.probabilities, mean, atol=2e-3)
    np.testing.assert_array_equal(result.labels, phantom.labels(models[0], mean))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_views_do_not_depend_on_tiles(phantom, config, dimensions):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(5, 51, 45)
    all_views = config.model_copy(update={"views": 8})
    whole = predict(model, scan, all_views, with_probabilities=True)
    tiled = predict(model, scan, all_views.model_copy(update={"tile": 16}), with_probabilities=True)
    np.testing.assert_allclose(tiled.probabilities, whole.probabilities, atol=1e-3)
    np.testing.assert_array_equal(tiled.labels, whole.labels)
    assert not np.array_equal(whole.labels, predict(model, scan, config).labels)


def test_views_of_a_mirrored_scan_are_the_mirrored_result(phantom, config):
    model, scan = phantom.model(), phantom.scan(1, 32, 48)
    views = config.model_copy(update={"views": 2})
    there = predict(model, scan, views).labels
    mirrored = predict(model, type(scan)(scan.array[..., ::-1]), views).labels
    np.testing.assert_array_equal(mirrored, there[..., ::-1])


@pytest.mark.parametrize(("flip", "views", "said"), [("none", 1, 0), ("none", 2, 1), ("sideways", 2, 0), ("all", 8, 0)])
def test_views_that_were_not_learned_from_are_worth_a_note(phantom, config, flip, views, said):
    model = phantom.model()
    augment = model.description.training.augment.model_copy(update={"flip": Flip(flip)})
    training = model.description.training.model_copy(update={"augment": augment})
    model = Model(model.description.model_copy(update={"training": training}), model.weights)
    result = predict(model, phantom.scan(1, 16, 16), config.model_copy(update={"views": views}))
    assert len(result.notes) == said
    assert all("left and right" in note for note in result.notes)


def test_dropout_leaves_doubt_and_the_same_doubt_each_time(phantom, config):
    model, scan = phantom.model(dropout=0.5), phantom.scan(1, 32, 32)
    sampled = config.model_copy(update={"dropout_samples": 6})
    plain = predict(model, scan, config, with_uncertainty=True).uncertainty
    doubt = predict(model, scan, sampled, with_uncertainty=True).uncertainty
    assert not np.array_equal(plain, doubt)
    np.testing.assert_array_equal(doubt, predict(model, scan, sampled, with_uncertainty=True).uncertainty)


def test_dropout_that_was_not_trained_with_is_refused(phantom, config):
    with pytest.raises(BadInput, match="without dropout"):
        predict(phantom.model(), phantom.scan(1, 8, 8), config.model_copy(update={"dropout_samples": 2}))


def test_uncertainty_is_the_entropy_as_a_share_of_the_largest():
    certain, even, half = [1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]
    probabilities = torch.tensor([certain, even, half]).T[None, :, :, None, None]
    np.testing.assert_allclose(uncertainty(probabilities).flatten(), [0, 1, 0.5], atol=1e-6)


def test_models_that_disagree_leave_doubt(phantom, config):
    scan = phantom.scan(1, 40, 40)
    one, other = phantom.model(), with_other_weights(phantom.model(), 3)
    each = [predict(model, scan, config, with_uncertainty=True) for model in (one, other)]
    both = predict([one, other], scan, config, with_uncertainty=True).uncertainty.astype(float)
    mean = np.mean([result.uncertainty.astype(float) for result in each], axis=0)
    assert (both >= mean - 2e-3).all()  # entropy is concave
    differ = each[0].labels != each[1].labels
    assert (both - mean)[differ].mean() > (both - mean)[~differ].mean()


@pytest.mark.parametrize(
    ("thresholds", "probabilities", "expected"),
    [
        ({}, [0.5, 0.3, 0.2], 0),
        ({3: 0.25}, [0.5, 0.3, 0.2], 3),
        ({3: 0.35}, [0.5, 0.3, 0.2], 0),
        ({3: 0.9}, [0.1, 0.8, 0.1], 0),  # held back: the most likely of the others
        ({3: 0.9}, [0.1, 0.7, 0.2], 7),
        ({3: 0.25, 7: 0.1}, [0.5, 0.3, 0.2], 7),  # twice its threshold
    ],
)
def test_a_class_with_a_threshold_is_taken_where_it_reaches_it(thresholds, probabilities, expected):
    decision = Decision((0, 3, 7), thresholds, torch.device("cpu"))
    scores = torch.tensor(probabilities)[None, :, None, None, None]
    assert decision.labels(scores).item() == expected


def test_a_lower_threshold_finds_more(phantom, config):
    model, scan = phantom.model(), phantom.scan(2, 40, 40)
    found = [
        (predict(model, scan, config.model_copy(update={"thresholds": ((2, least),)})).labels == 2).sum()
        for least in (0.2, 0.4, 0.6)
    ]
    assert found[0] > found[1] > found[2]


def test_thresholds_are_read_as_people_write_them():
    assert PredictConfig(thresholds="1, 0.3; 2,0.6").thresholds == ((1, 0.3), (2, 0.6))
    assert PredictConfig.model_validate_json(PredictConfig(thresholds="1,0.3").model_dump_json()).thresholds == (
        (1, 0.3),
    )
    for wrong in ("1", "1,0", "1,1.5", "1,0.2;1,0.3", "x,0.2"):
        with pytest.raises(ValueError, match=r"threshold|will not do|valid"):
            PredictConfig(thresholds=wrong)


def test_a_network_is_passed_once_for_each_opinion(phantom, config):
    engine = Engine([phantom.model(), phantom.model(dropout=0.5)], PredictConfig(views=4, dropout_samples=3))
    assert engine.asked == 24
