"""A job in this process: its events are handed on, commands reach it, and it is closed however it ends."""

import pytest

from napari_unet.errors import BadInput
from napari_unet.events import Progress, Started, Stop, result_of
from napari_unet.runner import run_here


class Watched:
    """A job that notes what it heard and that it was left."""

    def __init__(self, ends_with=None):
        self.heard = []
        self.left = False
        self.ends_with = ends_with

    def job(self):
        try:
            self.heard.append((yield Started("watching")))
            self.heard.append((yield Progress(0.5)))
            if self.ends_with is not None:
                raise self.ends_with
            return "seen"
        finally:
            self.left = True


def test_events_go_out_commands_come_in_and_the_result_comes_last():
    watched, events, told = Watched(), [], iter([None, Stop()])
    assert run_here(watched.job(), events.append, lambda: next(told)) == "seen"
    assert events == [Started("watching"), Progress(0.5)]
    assert watched.heard == [None, Stop()]
    assert watched.left


def test_nobody_need_listen():
    assert run_here(Watched().job()) == result_of(Watched().job()) == "seen"


def test_an_error_of_the_job_passes():
    watched = Watched(BadInput("upside down"))
    with pytest.raises(BadInput, match="upside down"):
        run_here(watched.job())
    assert watched.left


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, ZeroDivisionError])
@pytest.mark.parametrize("where", ["listener", "commands"])
def test_the_job_is_closed_when_its_listener_fails(error, where):
    def fail(*_):
        raise error

    watched = Watched()
    with pytest.raises(error):
        run_here(watched.job(), *((fail, None) if where == "listener" else (None, fail)))
    assert watched.left
    assert not watched.heard
