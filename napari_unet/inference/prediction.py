"""Predicting a scan: slice by slice from where the user looks, into buffers that can be shown meanwhile."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput, OutOfMemory
from napari_unet.events import Command, Event, Job, LookAt, Note, Progress, SlicesDone, Started, Stop
from napari_unet.inference.engine import Engine, Result, is_out_of_memory, on_processor
from napari_unet.inference.joining import Blended, Joining, SideBySide
from napari_unet.inference.matching import match
from napari_unet.inference.tiling import Cut, Tile
from napari_unet.model_file import Model
from napari_unet.normalisation import Normalisation, measure
from napari_unet.scan import Scan

GPU_TOO_SMALL = "The free memory of the GPU does not suffice: the processor computes instead, which is slower."

Events = Generator[Event, Command | None, None]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model makes of a scan.

    Parameters
    ----------
    labels
        (Z, Y, X) uint8, the label number of each voxel; slices that were not predicted hold what the buffer
        held before, 0 in a new one.
    probabilities
        (classes, Z, Y, X) float16, the softmax of each class, or None when not asked for.
    classes
        In the order of ``probabilities``; label 0 is background.
    slices
        Which slices (index along Z) were predicted, ascending.
    notes
        What the user should know about it, one sentence each.
    """

    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None
    classes: tuple[ClassInfo, ...]
    slices: tuple[int, ...]
    notes: tuple[str, ...]


def predict_job(
    model: Model,
    scan: Scan,
    config: PredictConfig = PredictConfig(),
    *,
    out: NDArray[np.uint8] | None = None,
    probabilities: NDArray[np.float16] | None = None,
    slices: Sequence[int] | None = None,
    look_at: int | None = None,
) -> Job[Prediction]:
    """Predict a scan as a job.

    Yields ``Started``, a ``Note`` for whatever the user should know, ``SlicesDone`` whenever slices of the
    buffers hold their result, and ``Progress`` after every pass of the network. ``LookAt`` changes which slices
    come next, ``Stop`` ends it with the slices done so far.

    Parameters
    ----------
    model
        A trained model.
    scan
        What to predict, with the channels the model was trained on. It is normalised by its own intensities.
    config
        Where and how to compute.
    out
        (Z, Y, X) uint8 to write labels into, such as a memory map; made when None. A slice is written whole
        or not at all.
    probabilities
        (classes, Z, Y, X) float16 to write the softmax of each class into; not kept when None.
    slices
        Which slices (index along Z) to predict; all when None.
    look_at
        The slice to begin with; then its neighbours outwards. From the first slice on when None.

    Raises
    ------
    ModelMismatch
        The scan does not have the channels the model expects.
    BadInput
        The scan is constant or holds no numbers, a slice asked for is not there, a buffer has another shape
        or dtype, or the device asked for is not there.
    BadModelFile
        The weights do not belong to the network that the model describes.
    OutOfMemory
        Not even the smallest tile fits into memory.
    """
    matched = match(scan, model.description)
    todo = Todo(_wanted(scan, slices), look_at or 0)
    if out is not None:
        _check_buffer("out", out, scan.grid, np.uint8)
    if probabilities is not None:
        _check_buffer("probabilities", probabilities, (len(model.description.classes), *scan.grid), np.float16)
    normalisation = measure(scan)
    engine, about_engine = _load(model, config)
    work = _Work(
        scan=scan,
        channels=matched.channels,
        normalisation=normalisation,
        engine=engine,
        todo=todo,
        labels=np.zeros(scan.grid, np.uint8) if out is None else out,
        probabilities=probabilities,
    )
    try:
        yield from work.run((*matched.notes, *about_engine))
    finally:
        work.engine.close()
    return Prediction(
        labels=work.labels,
        probabilities=probabilities,
        classes=model.description.classes,
        slices=tuple(sorted(todo.done)),
        notes=tuple(work.notes),
    )


def _load(model: Model, config: PredictConfig) -> tuple[Engine, tuple[str, ...]]:
    """Load the model, on the processor when the GPU has no room even for the weights, and what to say about it."""
    try:
        return Engine(model, config), ()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    return Engine(model, on_processor(config)), (GPU_TOO_SMALL,)


class Todo:
    """Which slices remain, and what the user said meanwhile.

    Parameters
    ----------
    slices
        Which slices to do.
    look_at
        Where the user looks: the nearest slices come first.
    """

    def __init__(self, slices: Iterable[int], look_at: int) -> None:
        self.remaining = set(slices)
        self.done: set[int] = set()
        self.stopped = False
        self._look_at = look_at

    def hear(self, command: Command | None) -> None:
        """Take note of what the job was told at a yield."""
        if isinstance(command, Stop):
            self.stopped = True
        elif isinstance(command, LookAt):
            self._look_at = command.z

    def nearest(self, count: int) -> list[int]:
        """Give the remaining slices that are nearest to where the user looks, nearest first."""
        return sorted(self.remaining, key=lambda z: (abs(z - self._look_at), z))[:count]

    def finish(self, slices: Iterable[int]) -> None:
        """Strike out slices that are done."""
        self.done.update(slices)
        self.remaining.difference_update(slices)

    @property
    def total(self) -> int:
        """Slices altogether."""
        return len(self.done) + len(self.remaining)


@dataclass
class _Work:
    """A prediction under way."""

    scan: Scan
    channels: tuple[int, ...]
    normalisation: tuple[Normalisation, ...]
    engine: Engine
    todo: Todo
    labels: NDArray[np.uint8]
    probabilities: NDArray[np.float16] | None
    notes: list[str] = field(default_factory=list)
    begun: float = field(default_factory=monotonic)
    cut: Cut = field(init=False)

    def __post_init__(self) -> None:
        self._cut()

    def _cut(self) -> None:
        self.cut = self.engine.cut((self.scan.depth, *self.scan.grid[1:]))

    def run(self, notes: Iterable[str]) -> Events:
        """Do all slices, or those until Stop."""
        yield from self._tell(Started(f'Predicting "{self.scan.name}"', self.engine.compute.sentence))
        for note in notes:
            yield from self._note(note)
        while self.todo.remaining and not self.todo.stopped:
            yield from self._predict(self.todo.nearest(self.cut.batch))

    def _tell(self, event: Event) -> Events:
        self.todo.hear((yield event))

    def _note(self, text: str) -> Events:
        self.notes.append(text)
        yield from self._tell(Note(text))

    def _predict(self, slices: Sequence[int]) -> Events:
        """Predict these slices side by side, and those that come with them in their slabs, tile by tile."""
        slabs = [self.cut.slab(z) for z in slices]
        waiting = sum(len(self._waiting(slab)) for slab in slabs)
        joining = self._joining(slabs)
        for number, tiles in enumerate(zip(*slabs, strict=True)):
            if number:
                yield from self._tell(self._progress(waiting * number / len(slabs[0])))
                if self.todo.stopped:
                    return
            result = self._attempt(tiles, probabilities=joining.wants_probabilities)
            if result is None:
                yield from self._note(self._use_less_memory(len(slabs)))
                return
            joining.add(tiles[0], result)
        labels, probabilities = joining.result()
        done = [
            z
            for n, slab in enumerate(slabs)
            for z in self._keep(slab, labels[n], None if probabilities is None else probabilities[n])
        ]
        yield from self._tell(SlicesDone(tuple(done)))
        yield from self._tell(self._progress())

    def _joining(self, slabs: Sequence[Sequence[Tile]]) -> Joining:
        """Choose how the results of the tiles of these slabs become one."""
        shape = (len(_along(slabs[0])), *self.scan.grid[1:])
        if self.cut.overlapping and len(slabs[0]) > 1:
            return Blended(len(slabs), shape, self.engine.model.description.labels)
        return SideBySide(len(slabs), shape, None if self.probabilities is None else len(self.probabilities))

    def _attempt(self, tiles: Sequence[Tile], *, probabilities: bool) -> Result | None:
        """Predict tiles of equal shape; None when memory does not suffice."""
        try:
            seen = np.stack([self._read(tile) for tile in tiles])
            return self.engine(seen, tiles[0].core_in_seen, probabilities=probabilities)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None  # only here, outside the except block, is what the pass had allocated let go

    def _read(self, tile: Tile) -> NDArray[np.float32]:
        """Read what a tile sees, (C, Z, Y, X), normalised; with context, neighbour slices as further channels."""
        z, y, x = tile.seen
        context = self.engine.model.description.network.context
        return np.stack(
            [
                self.normalisation[c].apply(np.asarray(self.scan.array[c, seen, y, x]))
                for seen in self.scan.seen_for(z, context)
                for c in self.channels
            ]
        )

    def _use_less_memory(self, batch: int) -> str:
        """Cut smaller than what did not fit, ``batch`` tiles side by side, or go on on the processor, and say so.

        Raises
        ------
        OutOfMemory
            There is no smaller tile and no other device.
        """
        where = "the GPU" if self.engine.on_gpu else "this computer"
        tried = replace(self.cut, batch=batch)
        smaller = tried.smaller()
        if smaller is not None:
            self.cut = smaller
            self.engine.free()
            return f"Too little memory on {where} for {tried.words}: it goes on with {smaller.words}."
        if self.engine.on_gpu:
            self.engine.close()
            self.engine = Engine(self.engine.model, on_processor(self.engine.config))
            self._cut()
            return GPU_TOO_SMALL
        raise OutOfMemory(
            f'"{self.scan.name}" does not fit into the memory of this computer, not even in {self.cut.words}: close '
            "other programs, or train a narrower or shallower network."
        )

    def _waiting(self, slab: Sequence[Tile]) -> list[int]:
        """Give the slices of a slab that are asked for and not done yet."""
        return [z for z in _along(slab) if z in self.todo.remaining]

    def _keep(
        self, slab: Sequence[Tile], labels: NDArray[np.uint8], probabilities: NDArray[np.float16] | None
    ) -> list[int]:
        """Write the result of a slab, (Z, Y, X) and (classes, Z, Y, X), where it is asked for."""
        slices, first = self._waiting(slab), _along(slab).start
        for z in slices:
            self.labels[z] = labels[z - first]
            if self.probabilities is not None and probabilities is not None:
                self.probabilities[:, z] = probabilities[:, z - first]
        self.todo.finish(slices)
        return slices

    def _progress(self, under_way: float = 0.0) -> Progress:
        """Say how far it is, ``under_way`` being the slices' worth of tiles that wait for the rest of their slab."""
        total, done = self.todo.total, len(self.todo.done)
        fraction = (done + under_way) / total
        left = (monotonic() - self.begun) * (1 / fraction - 1)
        return Progress(fraction, f"slice {done + (under_way > 0)} of {total}", left)


def _along(slab: Sequence[Tile]) -> range:
    """Give the slices (index along Z) that a slab is the result of."""
    return range(slab[0].core[0].start, slab[0].core[0].stop)


def _wanted(scan: Scan, slices: Sequence[int] | None) -> Sequence[int]:
    """Check that the slices asked for are there."""
    depth = scan.grid[0]
    wanted = range(depth) if slices is None else slices
    wrong = [z for z in wanted if not 0 <= z < depth]
    if wrong:
        raise BadInput(f'There is no slice {wrong[0]} in "{scan.name}": its slices are 0 to {depth - 1}.')
    return wanted


def _check_buffer(name: str, buffer: NDArray[Any], shape: tuple[int, ...], dtype: DTypeLike) -> None:
    if buffer.shape != shape or buffer.dtype != dtype:
        raise BadInput(f"{name} is {buffer.shape} {buffer.dtype}: this scan and model need {shape} {np.dtype(dtype)}.")
