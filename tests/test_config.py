"""Every parameter has a range, a sentence and a place in the model file."""

import pytest
from annotated_types import Ge, Le
from pydantic import ValidationError

from napari_unet.config import (
    PRESETS,
    AugmentConfig,
    Closing,
    FillHoles,
    Flip,
    KeepLargest,
    NetworkConfig,
    Opening,
    PredictConfig,
    RefineConfig,
    RemoveSmall,
    Smooth,
    TrainConfig,
)

STEPS = (Opening, Closing, FillHoles, RemoveSmall, KeepLargest, Smooth)
CONFIGS = (TrainConfig, PredictConfig, RefineConfig, NetworkConfig, AugmentConfig, *STEPS)
PARAMETERS = [(config, name) for config in CONFIGS for name in config.model_fields]
NUMBERS = [(config, name) for config, name in PARAMETERS if config.model_fields[name].annotation in (int, float)]


@pytest.mark.parametrize("config", CONFIGS)
def test_it_survives_json_and_cannot_be_changed(config):
    made = config()
    assert config.model_validate_json(made.model_dump_json()) == made
    for name in config.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(made, name, getattr(made, name))


@pytest.mark.parametrize("config", CONFIGS)
def test_a_name_that_does_not_exist_is_refused(config):
    with pytest.raises(ValidationError, match="learning_rat"):
        config(learning_rat=1)


@pytest.mark.parametrize(("config", "name"), PARAMETERS)
def test_every_parameter_has_a_sentence(config, name):
    sentence = config.model_fields[name].description
    assert sentence.endswith(".")
    assert sentence[0].isupper() or sentence[0].isdigit()


@pytest.mark.parametrize(("config", "name"), NUMBERS)
def test_every_number_has_a_range_that_is_kept(config, name):
    bounds = config.model_fields[name].metadata
    (least,) = [bound.ge for bound in bounds if isinstance(bound, Ge)]
    (most,) = [bound.le for bound in bounds if isinstance(bound, Le)]
    for inside in (least, most, config.model_fields[name].default):
        assert getattr(config(**{name: inside}), name) == inside
    for outside in (least - 1, most + 1, float("nan")):
        with pytest.raises(ValidationError):
            config(**{name: outside})


@pytest.mark.parametrize(("before", "now"), [(True, Flip.SIDEWAYS), (False, Flip.NONE)])
def test_flips_from_when_they_were_a_yes_or_no_are_read(before, now):
    old = TrainConfig().model_dump(mode="json")
    old["augment"]["flip"] = before
    assert TrainConfig.model_validate(old).augment.flip is now


def test_steps_are_told_apart_by_their_kind():
    steps = tuple(step(classes=(1, 254), enabled=False) for step in STEPS)
    config = RefineConfig(steps=steps)
    read = RefineConfig.model_validate_json(config.model_dump_json())
    assert [type(step) for step in read.steps] == list(STEPS)
    assert read == config
    for label in (0, 255):
        with pytest.raises(ValidationError):
            Smooth(classes=(label,))


def test_presets_are_trainings_with_a_name():
    assert list(PRESETS) == ["fast", "balanced", "paper"]
    assert PRESETS["fast"].train == TrainConfig()
    for preset in PRESETS.values():
        assert preset.sentence.endswith(".")
        assert type(preset).model_validate_json(preset.model_dump_json()) == preset
    with pytest.raises(ValidationError, match="a preset needs a name"):
        PRESETS["fast"].model_validate({**PRESETS["fast"].model_dump(), "name": ""})
    paper = PRESETS["paper"].train.network
    assert [paper.width * 2**level for level in range(paper.depth + 1)] == [64, 128, 256, 512, 1024]
