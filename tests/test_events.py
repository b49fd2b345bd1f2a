"""What jobs report is small, frozen, and crosses a pipe unchanged."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

from napari_unet.events import EpochDone, LookAt, Note, Preview, Progress, SlicesDone, Started, Stop, result_of

EVERYTHING = [
    Started("training", "CPU, 2 threads"),
    Progress(0.5, "slice 3 of 6", 12.5),
    EpochDone(10, 1.5, 0.3, 0.4, 0.8, {1: 0.9, 254: 0.7}, 1e-3, best=True),
    SlicesDone((1, 2)),
    Preview(3),
    Note("the image is small"),
    Stop(),
    LookAt(4),
]


@pytest.mark.parametrize("message", EVERYTHING, ids=lambda message: type(message).__name__)
def test_it_crosses_a_pipe_and_cannot_be_changed(message):
    assert pickle.loads(pickle.dumps(message)) == message
    for field in type(message).__slots__:
        with pytest.raises(FrozenInstanceError):
            setattr(message, field, None)


def test_the_result_of_a_job():
    def job():
        assert (yield Started("counting")) is None
        yield Progress(1.0)
        return 7

    assert result_of(job()) == 7
