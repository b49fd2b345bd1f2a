"""Learning while a person paints, in a child process that keeps what it learned from one round to the next."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.annotation import ClassInfo
from napari_unet.events import Job
from napari_unet.model_file import ModelDescription, load_model
from napari_unet.runner.exchange import SharedArray, SharedScan

if TYPE_CHECKING:
    from napari_unet.training.live import LiveLearning

_kept: "dict[str, LiveLearning]" = {}
"""What this process goes on with, by its key: one, since a person paints on one scan."""


@dataclass(frozen=True, slots=True)
class LiveDone:
    """A round that came to its end: the steps learned since the beginning, and what was saved, if it was to be."""

    steps: int
    description: ModelDescription | None = None


@dataclass(frozen=True, slots=True)
class LiveRequest:
    """Learn for a round; see :func:`napari_unet.training.live.live_job`.

    Parameters
    ----------
    key
        Of what goes on; another one begins anew, and so does a process that has not got it.
    scan, known, preview
        The scan, what is known of it, and where to show; both (Z, Y, X) uint8.
    classes
        Names and colours of classes, where known.
    start_path
        The file of the model to begin with; "" for a new network.
    changed
        Slices of which something else is known than at the last round that was asked for.
    seconds, look_at
        As in ``live_job``.
    model_path
        Where to save the model afterwards, if it is to be kept.
    """

    key: str
    scan: SharedScan
    known: SharedArray
    preview: SharedArray
    classes: tuple[ClassInfo, ...]
    start_path: str
    changed: tuple[int, ...]
    seconds: float
    look_at: int
    model_path: str = ""

    def job(self) -> Job[LiveDone]:
        """Learn."""
        from napari_unet.training.live import LiveLearning, live_job

        known, changed = self.known.open(), self.changed
        live = _kept.get(self.key)
        if live is None:
            _kept.clear()
            start = load_model(self.start_path) if self.start_path else None
            live = _kept[self.key] = LiveLearning(self.scan.open(), self.classes, start)
            changed = tuple(z for z, plane in enumerate(known) if plane.any())
        preview = self.preview.open(writable=True)
        yield from live_job(live, known, changed, seconds=self.seconds, preview=preview, look_at=self.look_at)
        if not self.model_path:
            return LiveDone(live.steps)
        model = live.model()
        model.save(Path(self.model_path))
        return LiveDone(live.steps, model.description)
