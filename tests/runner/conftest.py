"""A child process, what it says, and jobs that it can import."""

import os
import queue
import sys
from pathlib import Path

import pytest

from napari_unet.events import Event
from napari_unet.runner import Child

IMPORTABLE = str(Path(__file__).parent / "importable")
sys.path.append(IMPORTABLE)  # so that a job has one name here and in the child
PATIENCE = 60
"""Seconds to wait for a message; what comes in time is not waited for."""


class Talk:
    """A child and the messages it sends."""

    def __init__(self, warm=()):
        self.inbox = queue.SimpleQueue()
        self.child = Child(self.inbox.put, warm)

    def next(self):
        return self.inbox.get(timeout=PATIENCE)

    def until(self, kind):
        """Give all messages up to the first of a kind."""
        messages = [self.next()]
        while not isinstance(messages[-1], kind):
            assert isinstance(messages[-1], Event), messages[-1]
            messages.append(self.next())
        return messages

    def outcome(self, request):
        """Run a job to its end; give what it said, and its end."""
        self.child.run(request)
        messages = [self.next()]
        while isinstance(messages[-1], Event):
            messages.append(self.next())
        return messages[:-1], messages[-1]


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    """Let children import the odd jobs."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [IMPORTABLE, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def start_child():
    """Start children that are gone when the test is over."""
    talks = []

    def start(warm=()):
        talks.append(Talk(warm))
        return talks[-1]

    yield start
    for talk in talks:
        talk.child.end()


@pytest.fixture
def talk(start_child):
    return start_child()
