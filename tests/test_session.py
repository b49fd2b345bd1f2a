"""A session knows what can be done, says why not, and tells only of what changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_unet.annotation import BACKGROUND_CLASS, PaintSummary, count_slices, new_class
from napari_unet.config import (
    FillBetweenConfig,
    FillHoles,
    NetworkConfig,
    RefineConfig,
    TrainConfig,
    Unpainted,
    WithinIntensities,
    WithinRegion,
)
from napari_unet.errors import BadModelFile, NothingPainted
from napari_unet.model_file import LearnedFrom, Model, ModelDescription
from napari_unet.normalisation import Normalisation
from napari_unet.session import Blocked, MaskInfo, Ready, ScanInfo, Session, State, TrainedModel, Verb, readiness

SHAPE = (2, 4, 4)
SCAN = ScanInfo("CT", SHAPE, ("channel 0",))
COLOURS = ScanInfo("photo", (4, 4), ("red", "green", "blue"))
MASK = MaskInfo("mask", SHAPE)


def summary(*labels):
    paint = np.zeros(SHAPE, np.uint8)
    paint[0, 0, : len(labels)] = labels
    return PaintSummary.of(SHAPE, count_slices(paint))


def refusal(counted):
    """Give the words in which paint is found too little."""
    with pytest.raises(NothingPainted) as caught:
        counted.check(Unpainted.UNKNOWN)
    return str(caught.value)


def model(name="liver", channels=1):
    description = ModelDescription(
        program="test",
        network=NetworkConfig(),
        channel_names=tuple(f"channel {c}" for c in range(channels)),
        classes=(BACKGROUND_CLASS, new_class(1)),
        spacing=(1, 1, 1),
        unit="mm",
        normalisation=(Normalisation(low=0, high=1, mean=0.5, std=0.3),) * channels,
        training=TrainConfig(),
        learned_from=LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1),
    )
    return TrainedModel(name, Path(f"{name}.unet"), description)


TRAINABLE = State(train_scan=SCAN, paint=MaskInfo("strokes", SHAPE), paint_summary=summary(1, 255))
PREDICTABLE = State(predict_scan=SCAN, model=model())
REFINABLE = State(mask=MASK)
EVERYTHING = replace(TRAINABLE, predict_scan=SCAN, model=model(), mask=MASK)
DEEP = (9, 4, 4)
FILLABLE = State(paint=MaskInfo("strokes", DEEP), paint_summary=PaintSummary(DEEP, (2, 5, 6), {1: 9}, {1: 3}))
BRIGHT = replace(REFINABLE, refine_config=RefineConfig(steps=(WithinIntensities(),)))
INSIDE = replace(REFINABLE, refine_config=RefineConfig(steps=(WithinRegion(),)))
SUGGESTIBLE = State(mask=MASK, paint=MaskInfo("strokes", SHAPE), paint_summary=summary(1, 255), refine_scan=SCAN)
NO_PAINT = "Suggestions are told by paint: choose a paint layer on this scan in the Train dock."
NO_GAP = "Nothing lies between painted slices: paint a slice, leave some out, paint another."
OPEN = "Open a scan first: drop a file or folder onto the window."


@pytest.mark.parametrize(
    ("state", "verb", "reason"),
    [
        (State(), Verb.TRAIN, OPEN),
        (State(train_problem="It holds complex numbers."), Verb.TRAIN, "It holds complex numbers."),
        (replace(TRAINABLE, train_scan=None, train_problem="It is too flat."), Verb.TRAIN, "It is too flat."),
        (replace(TRAINABLE, paint=None), Verb.TRAIN, "Press New to make a paint layer for this scan."),
        (replace(TRAINABLE, paint=MaskInfo("a", SHAPE, "It is lazy.")), Verb.TRAIN, "It is lazy."),
        (
            replace(TRAINABLE, paint=MaskInfo("strokes", (4, 4))),
            Verb.TRAIN,
            '"strokes" is (4, 4) but the scan is (2, 4, 4): paint on a layer made for this scan.',
        ),
        (replace(TRAINABLE, paint_summary=None), Verb.TRAIN, "Counting what is painted."),
        (
            replace(TRAINABLE, paint_summary=summary()),
            Verb.TRAIN,
            refusal(summary()),
        ),
        (
            replace(TRAINABLE, paint_summary=summary(1)),
            Verb.TRAIN,
            refusal(summary(1)),
        ),
        (replace(TRAINABLE, running=frozenset({Verb.TRAIN})), Verb.TRAIN, "The training is running."),
        (
            replace(TRAINABLE, running=frozenset({Verb.PREDICT})),
            Verb.TRAIN,
            "A prediction is running: wait for it or cancel it first.",
        ),
        (State(predict_scan=SCAN), Verb.PREDICT, "Train a model first, or open one from a file."),
        (State(model=model()), Verb.PREDICT, OPEN),
        (State(model=model(), predict_problem="It is empty."), Verb.PREDICT, "It is empty."),
        (
            replace(PREDICTABLE, predict_scan=COLOURS),
            Verb.PREDICT,
            'The model expects 1 channel but "photo" has 3 channels: choose a scan like the ones it learned from.',
        ),
        (
            replace(PREDICTABLE, model=model(channels=2)),
            Verb.PREDICT,
            'The model expects 2 channels but "CT" has 1 channel: choose a scan like the ones it learned from.',
        ),
        (
            replace(PREDICTABLE, running=frozenset({Verb.TRAIN})),
            Verb.PREDICT,
            "A training is running: wait for it, or press Stop and keep.",
        ),
        (replace(PREDICTABLE, running=frozenset({Verb.PREDICT})), Verb.PREDICT, "The prediction is running."),
        (
            replace(PREDICTABLE, running=frozenset({Verb.REVIEW})),
            Verb.PREDICT,
            "A model learns from corrections: wait for it or cancel it first.",
        ),
        (State(), Verb.REFINE, "Predict first, or open a mask: there is no mask to refine."),
        (State(mask=MaskInfo("a", SHAPE, "It holds paint.")), Verb.REFINE, "It holds paint."),
        (replace(REFINABLE, refine_config=RefineConfig(steps=())), Verb.REFINE, "Switch on at least one step."),
        (
            replace(REFINABLE, refine_config=RefineConfig(steps=(FillHoles(enabled=False),))),
            Verb.REFINE,
            "Switch on at least one step.",
        ),
        (replace(REFINABLE, running=frozenset({Verb.REFINE})), Verb.REFINE, "The refinement is running."),
        (
            replace(REFINABLE, running=frozenset({Verb.FILL})),
            Verb.REFINE,
            "Slices are being filled: wait for it or cancel it first.",
        ),
        (BRIGHT, Verb.REFINE, 'The step "within intensities" looks at the scan: open it and choose it above.'),
        (
            replace(BRIGHT, refine_problem="It is complex."),
            Verb.REFINE,
            'The step "within intensities" looks at the scan: It is complex.',
        ),
        (
            replace(BRIGHT, refine_scan=COLOURS),
            Verb.REFINE,
            'The step "within intensities" looks at the scan, but "photo" is (4, 4) and "mask" is (2, 4, 4): choose '
            "the scan that this mask belongs to.",
        ),
        (
            replace(BRIGHT, refine_scan=SCAN, refine_config=RefineConfig(steps=(WithinIntensities(channel=1),))),
            Verb.REFINE,
            'The step "within intensities" looks at channel 1, but "CT" has 1 channel.',
        ),
        (
            INSIDE,
            Verb.REFINE,
            'The step "within region" needs another mask on the same scan: choose it above as the region.',
        ),
        (replace(INSIDE, region=MaskInfo("body", SHAPE, "It is lazy.")), Verb.REFINE, "It is lazy."),
        (
            replace(INSIDE, region=MaskInfo("body", (4, 4))),
            Verb.REFINE,
            'The step "within region" needs a region like the mask, but "body" is (4, 4) and "mask" is (2, 4, 4): '
            "choose a mask on the same scan.",
        ),
        (State(), Verb.FILL, "Press New to make a paint layer for this scan."),
        (replace(FILLABLE, paint=MaskInfo("a", DEEP, "It is lazy.")), Verb.FILL, "It is lazy."),
        (replace(FILLABLE, paint_summary=None), Verb.FILL, "Counting what is painted."),
        (replace(FILLABLE, paint=MaskInfo("a", (4, 4))), Verb.FILL, "This scan has no slices to fill between."),
        (TRAINABLE, Verb.FILL, NO_GAP),
        (replace(FILLABLE, paint=MaskInfo("in time", (3, 3, 4, 4))), Verb.FILL, NO_GAP),
        (
            replace(FILLABLE, running=frozenset({Verb.REFINE})),
            Verb.FILL,
            "A refinement is running: wait for it or cancel it first.",
        ),
        (State(), Verb.SUGGEST, "There is no mask yet."),
        (replace(SUGGESTIBLE, mask=MaskInfo("a", SHAPE, "It holds paint.")), Verb.SUGGEST, "It holds paint."),
        (replace(SUGGESTIBLE, paint=None), Verb.SUGGEST, NO_PAINT),
        (replace(SUGGESTIBLE, paint=MASK), Verb.SUGGEST, NO_PAINT),
        (replace(SUGGESTIBLE, paint=MaskInfo("a", DEEP)), Verb.SUGGEST, NO_PAINT),
        (replace(SUGGESTIBLE, paint=MaskInfo("a", SHAPE, "It is lazy.")), Verb.SUGGEST, "It is lazy."),
        (
            replace(SUGGESTIBLE, paint_summary=summary(255)),
            Verb.SUGGEST,
            "Suggestions are told by paint: paint a class on a slice or two, all of it.",
        ),
        (
            replace(SUGGESTIBLE, refine_scan=None),
            Verb.SUGGEST,
            "Suggestions look at the scan: open it and choose it above.",
        ),
        (
            replace(SUGGESTIBLE, refine_scan=None, refine_problem="It is too flat."),
            Verb.SUGGEST,
            "Suggestions look at the scan: It is too flat.",
        ),
        (
            replace(SUGGESTIBLE, refine_scan=COLOURS),
            Verb.SUGGEST,
            'Suggestions look at the scan, but "photo" is (4, 4) and "mask" is (2, 4, 4): choose the scan that this '
            "mask belongs to.",
        ),
        (replace(SUGGESTIBLE, running=frozenset({Verb.SUGGEST})), Verb.SUGGEST, "The trial of refinements is running."),
        (
            replace(REFINABLE, running=frozenset({Verb.SUGGEST})),
            Verb.REFINE,
            "Refinements are being tried: wait for it or cancel it first.",
        ),
    ],
)
def test_what_cannot_be_done_says_why(state, verb, reason):
    assert readiness(state, verb) == Blocked(reason)


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        (TRAINABLE, Verb.TRAIN),
        (replace(TRAINABLE, paint_summary=summary(1, 2)), Verb.TRAIN),
        (replace(TRAINABLE, paint_summary=summary(1), unpainted=Unpainted.PAINTED_SLICES), Verb.TRAIN),
        (replace(TRAINABLE, running=frozenset({Verb.REFINE})), Verb.TRAIN),
        (PREDICTABLE, Verb.PREDICT),
        (replace(PREDICTABLE, predict_scan=COLOURS, model=model(channels=3)), Verb.PREDICT),
        (replace(PREDICTABLE, predict_scan=ScanInfo("CT", SHAPE, ("another name",))), Verb.PREDICT),
        (replace(PREDICTABLE, running=frozenset({Verb.REFINE})), Verb.PREDICT),
        (REFINABLE, Verb.REFINE),
        (replace(REFINABLE, running=frozenset({Verb.TRAIN})), Verb.REFINE),
        (replace(BRIGHT, refine_scan=SCAN), Verb.REFINE),
        (replace(INSIDE, region=MASK), Verb.REFINE),
        (replace(REFINABLE, refine_config=RefineConfig(steps=(FillHoles(), WithinRegion(enabled=False)))), Verb.REFINE),
        (FILLABLE, Verb.FILL),
        (replace(TRAINABLE, fill_config=FillBetweenConfig(axis="y")), Verb.FILL),
        (replace(FILLABLE, running=frozenset({Verb.TRAIN})), Verb.FILL),
        (SUGGESTIBLE, Verb.SUGGEST),
        (replace(SUGGESTIBLE, paint_summary=None), Verb.SUGGEST),
        *((EVERYTHING, verb) for verb in (Verb.TRAIN, Verb.PREDICT, Verb.REFINE)),
    ],
)
def test_what_can_be_done_is_ready(state, verb):
    assert readiness(state, verb) == Ready()


@pytest.fixture
def session():
    return Session()


@pytest.fixture
def told(session):
    """Collect what a session tells."""
    told = []
    session.changed.connect(told.append)
    session.models_changed.connect(told.append)
    return told


def test_only_a_difference_is_told(session, told):
    session.update(train_scan=SCAN)
    session.update(train_scan=ScanInfo("CT", SHAPE, ("channel 0",)))
    session.update(refine_config=RefineConfig(), paint_summary=None)
    assert told == [State(train_scan=SCAN)]
    session.update(paint_summary=summary(1), unpainted=Unpainted.BACKGROUND)
    session.update(paint_summary=summary(1))
    assert told[1:] == [State(train_scan=SCAN, paint_summary=summary(1), unpainted=Unpainted.BACKGROUND)]
    assert session.state is told[-1]


def test_a_field_that_does_not_exist_is_a_mistake(session, told):
    with pytest.raises(TypeError, match="tran_scan"):
        session.update(tran_scan=SCAN)
    assert not told


def test_what_runs_is_told_once(session, told):
    for verb in (Verb.TRAIN, Verb.TRAIN, Verb.REFINE):
        session.started(verb)
    assert session.state.running == {Verb.TRAIN, Verb.REFINE}
    assert session.readiness(Verb.TRAIN) == Blocked("The training is running.")
    for verb in (Verb.TRAIN, Verb.TRAIN, Verb.PREDICT):
        session.ended(verb)
    assert session.state.running == {Verb.REFINE}
    assert len(told) == 3


def test_models_are_kept_newest_first_and_the_newest_is_chosen(session, told):
    first, second = model("first"), model("second")
    session.add_model(first)
    session.add_model(second)
    assert session.models == (second, first)
    assert session.state.model is second
    again = replace(first, name="first, trained on")
    session.add_model(again)
    assert session.models == (again, second)
    assert session.state.model is again
    assert [what for what in told if isinstance(what, tuple)][-1] == (again, second)


def test_a_model_is_taken_from_a_file(tmp_path):
    description = model().description
    path = Model(description, {"weight": np.zeros(3, np.float32)}).save(tmp_path / "liver 2.unet")
    assert TrainedModel.from_file(path) == TrainedModel("liver 2", path, description)
    with pytest.raises(BadModelFile, match="cannot read the model"):
        TrainedModel.from_file(tmp_path / "gone.unet")


def test_sessions_share_nothing(session, told):
    other = Session()
    other.update(train_scan=SCAN)
    other.add_model(model())
    assert (session.state, session.models, told) == (State(), (), [])
