"""A child process runs one job after another and, whatever happens to it, the window hears of it."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

import odd_jobs
import psutil
import pytest

from napari_unet.errors import BadInput, JobFailed, OutOfMemory
from napari_unet.events import LookAt, Note, Progress, Started, Stop
from napari_unet.runner import Child, Closed, Failed, Finished

FOREVER = 10**9


def test_events_come_in_order_and_the_result_last(talk):
    events, end = talk.outcome(odd_jobs.Count(200))
    assert events == [Started("counting"), *(Progress(number / 200) for number in range(200))]
    assert end == Finished("counted")
    assert not talk.child.busy


def test_one_job_at_a_time(talk):
    talk.child.run(odd_jobs.Count(FOREVER))
    talk.until(Progress)
    assert talk.child.busy
    with pytest.raises(JobFailed, match="still running: wait for it or cancel it"):
        talk.child.run(odd_jobs.Count(1))
    talk.child.close_job()
    talk.until(Closed)
    assert not talk.child.busy


def test_a_closed_job_cleans_up_and_the_child_takes_the_next(talk, tmp_path):
    mark = tmp_path / "over"
    talk.child.run(odd_jobs.Count(FOREVER, str(mark)))
    talk.until(Progress)
    talk.child.close_job()
    talk.until(Closed)
    assert mark.read_text() == str(talk.child.pid)
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


def test_stop_keeps_what_there_is(talk):
    talk.child.run(odd_jobs.Count(FOREVER))
    talk.until(Progress)
    talk.child.tell(Stop())
    assert talk.until(Finished)[-1].result.startswith("stopped early")


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ([LookAt(1), LookAt(2), LookAt(3)], LookAt(3)),
        ([LookAt(1), Stop(), LookAt(3)], Stop()),
        ([], None),
    ],
    ids=["the last look counts", "stop stays said", "nothing"],
)
def test_what_is_said_between_two_yields(talk, told, heard):
    talk.child.run(odd_jobs.Wait())
    for command in [*told, odd_jobs.OpenGate()]:
        talk.child.tell(command)
    assert talk.next() == Note("open: True")
    assert talk.next() == Finished(heard)


def test_closing_a_job_that_just_ended_does_not_close_the_next(talk):
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")
    talk.child.close_job()
    talk.child.tell(Stop())
    assert talk.outcome(odd_jobs.Count(3))[1] == Finished("counted")


@pytest.mark.parametrize(
    ("request_", "kind", "text"),
    [
        (odd_jobs.Refuse(), BadInput, "the scan is upside down: turn it over."),
        (odd_jobs.Fill("cuda"), OutOfMemory, "the graphics card is full."),
        (odd_jobs.Fill("python"), OutOfMemory, "The memory is full: close other programs, or use a smaller"),
    ],
)
def test_an_error_of_the_job_comes_through_with_its_class_and_text(talk, request_, kind, text):
    events, end = talk.outcome(request_)
    assert len(events) == 1
    assert type(end.error) is kind
    assert str(end.error).startswith(text)
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


@pytest.mark.parametrize(
    ("request_", "named", "line"),
    [
        (odd_jobs.Break(), "IndexError: list index out of range", "return [][7]"),
        (odd_jobs.GiveUnwritable(), "TypeError: this cannot travel", "__reduce__"),
    ],
)
def test_what_nobody_foresaw_is_reported_with_its_traceback(talk, request_, named, line):
    _, end = talk.outcome(request_)
    assert type(end.error) is JobFailed
    assert named in str(end.error)
    assert "Your layers are as they were." in str(end.error)
    assert line in end.error.details
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


def test_errors_with_details_survive_the_pipe():
    error = pickle.loads(pickle.dumps(JobFailed("what happened", "a traceback")))
    assert (str(error), error.details) == ("what happened", "a traceback")


def test_a_killed_child_is_told_of_and_another_takes_its_place(talk, start_child):
    talk.child.run(odd_jobs.Count(FOREVER))
    talk.until(Progress)
    os.kill(talk.child.pid, signal.SIGKILL)
    error = talk.until(Failed)[-1].error
    assert type(error) is JobFailed
    assert "The process that computes is gone. It was killed, most likely because the memory was full" in str(error)
    assert "Your layers are as they were; you can start again." in str(error)
    assert not talk.child.alive
    assert not talk.child.busy
    assert start_child().outcome(odd_jobs.Count(1))[1] == Finished("counted")


def test_a_child_that_leaves_says_its_last_words(talk):
    _, end = talk.outcome(odd_jobs.Exit())
    assert "It ended with code 3." in str(end.error)
    assert "last words" in end.error.details


def test_a_job_for_a_process_that_is_gone_fails_at_once(talk):
    psutil.Process(talk.child.pid).kill()
    _, end = talk.outcome(odd_jobs.Count(1))
    assert "The process that computes is gone." in str(end.error)
    _, again = talk.outcome(odd_jobs.Count(1))
    assert "The process that computes is gone." in str(again.error)
    assert not talk.child.busy


def test_stray_prints_do_not_get_between_the_messages(talk):
    events, end = talk.outcome(odd_jobs.Chatter())
    assert events == [Started("chattering"), Progress(1.0)]
    assert end == Finished("still understood")


def test_messages_that_cannot_be_read_end_the_job(talk):
    _, end = talk.outcome(odd_jobs.Garble())
    assert "The process that computes is gone." in str(end.error)
    assert "Traceback" in end.error.details
    assert not talk.child.alive


def test_a_request_that_cannot_be_read_ends_the_job(talk):
    events, end = talk.outcome(odd_jobs.Unreadable())
    assert not events
    assert "It ended with code 1." in str(end.error)
    assert "invalid literal for int()" in end.error.details


def test_a_request_that_cannot_travel_leaves_the_child_free(talk):
    with pytest.raises(TypeError, match="cannot travel"):
        talk.child.run(odd_jobs.Unwritable())
    assert not talk.child.busy
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


def test_a_warm_child_has_imported_what_it_needs(start_child):
    talk = start_child(warm=("odd_jobs", "wave"))
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


def test_a_module_that_cannot_be_imported_matters_to_no_job_but_its_own(start_child):
    talk = start_child(warm=("no_such_module",))
    assert talk.outcome(odd_jobs.Count(1))[1] == Finished("counted")


@pytest.mark.parametrize("busy", [False, True])
def test_ending_leaves_no_process_and_no_thread(busy):
    before = threading.active_count()
    heard = []
    running = threading.Event()
    child = Child(lambda message: (heard.append(message), running.set()))
    if busy:
        child.run(odd_jobs.Count(FOREVER))
        assert running.wait(60)
    process = psutil.Process(child.pid)
    child.end()
    assert not process.is_running()
    assert threading.active_count() == before
    told = len(heard)
    assert not any(isinstance(message, Failed) for message in heard)
    child.end()  # once more does no harm
    child.close_job()
    child.tell(Stop())
    assert len(heard) == told
    assert not child.alive


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX word")
def test_the_child_goes_when_the_window_is_killed():
    window = f"""
import sys, time
sys.path.insert(0, {str(Path(odd_jobs.__file__).parent)!r})
import odd_jobs
from napari_unet.runner import Child
def on_message(message):
    print(child.pid, flush=True)
child = Child(on_message)
child.run(odd_jobs.Count({FOREVER}))
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", window], stdout=subprocess.PIPE, text=True) as process:
        grandchild = psutil.Process(int(process.stdout.readline()))
        process.kill()
        gone, alive = psutil.wait_procs([grandchild], timeout=20)
    assert not alive
    assert gone == [grandchild]
