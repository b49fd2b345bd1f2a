"""Running a job in this process: the command line, the tests, and the inside of the child process."""

from collections.abc import Callable

from napari_unet.events import Command, Event, Job, Result


def run_here(
    job: Job[Result],
    on_event: Callable[[Event], None] | None = None,
    command_source: Callable[[], Command | None] | None = None,
) -> Result:
    """Run a job to its end.

    Parameters
    ----------
    job
        The job.
    on_event
        Called with each event.
    command_source
        Asked at each yield for what to tell the job; None tells it nothing.

    Returns
    -------
    object
        What the job returns.

    Raises
    ------
    UnetError
        What the job raises.
    """
    command: Command | None = None
    try:
        while True:
            event = job.send(command)
            if on_event is not None:
                on_event(event)
            command = command_source() if command_source is not None else None
    except StopIteration as end:
        result: Result = end.value
        return result
    finally:
        job.close()
