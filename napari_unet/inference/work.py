"""A prediction under way: slab after slab from where the user looks, each tile by tile."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Protocol

import numpy as np

from napari_unet.errors import OutOfMemory
from napari_unet.events import Command, Event, Note, Progress, SlicesDone, Started
from napari_unet.inference.emptiness import Emptiness
from napari_unet.inference.engine import Engine, is_out_of_memory, on_processor
from napari_unet.inference.glimpses import Glimpses
from napari_unet.inference.joining import Blended, Joining, SideBySide
from napari_unet.inference.maps import Maps, Wanted
from napari_unet.inference.reading import Reads
from napari_unet.inference.tiling import Cut, Tile
from napari_unet.inference.todo import Todo

GPU_TOO_SMALL = "The free memory of the GPU does not suffice: the processor computes instead, which is slower."

Events = Generator[Event, Command | None, None]


class Keeps(Protocol):
    """Where results go."""

    def keep(self, z: int, maps: Maps) -> list[int]:
        """Take in the maps (Y, X) of slice ``z`` of the networks; give the slices of the scan that are done with it."""


@dataclass(frozen=True, eq=False)
class Straight:
    """Maps on the scan's own grid, of which slices are written whole or not at all."""

    out: Maps

    def keep(self, z: int, maps: Maps) -> list[int]:
        """Write slice ``z``."""
        self.out.put(maps, z, slice(None), slice(None))
        return [z]


@dataclass
class Work:
    """A prediction under way.

    Parameters
    ----------
    name
        Of the scan.
    reading
        What the networks see.
    engine
        What computes; another one takes its place when its device has too little memory.
    todo
        Which slices of the networks remain.
    keeps
        Where results go.
    glimpses
        What was seen of the slices in passing.
    wanted
        What is wanted besides labels.
    to_say
        What the user should know before it begins.
    empty
        What tells pieces that hold nothing; None when every piece is looked at.
    done
        Which slices of the scan are done.
    notes
        What the user was told.
    left_out
        How many tiles were found empty.
    """

    name: str
    reading: Reads
    engine: Engine
    todo: Todo
    keeps: Keeps
    glimpses: Glimpses
    wanted: Wanted
    to_say: tuple[str, ...] = ()
    empty: Emptiness | None = None
    done: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    begun: float = field(default_factory=monotonic)
    left_out: int = 0
    cut: Cut = field(init=False)

    def __post_init__(self) -> None:
        self._cut()

    def _cut(self) -> None:
        self.cut = self.engine.cut(self.reading.volume)

    def run(self) -> Events:
        """Do all slices, or those until Stop."""
        yield from self._tell(Started(f'Predicting "{self.name}"', self.engine.compute.sentence))
        for note in self.to_say:
            yield from self._note(note)
        while self.todo.remaining and not self.todo.stopped:
            yield from self._predict(self.todo.nearest(self.cut.batch))
        if self.left_out and self.empty is not None:
            pieces = "1 piece holds" if self.left_out == 1 else f"{self.left_out} pieces hold"
            yield from self._note(
                f"{pieces} nothing brighter than {self.empty.words}, as air: left to the background unseen. "
                'To have all looked at, switch "skip empty" off.'
            )

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
            maps = self._attempt(tiles, joining.from_tiles)
            if maps is None:
                yield from self._note(self._use_less_memory(len(slabs)))
                return
            joining.add(tiles[0], maps)
        joined = joining.result()
        done = [z for n, slab in enumerate(slabs) for z in self._keep(slab, joined.part(n))]
        if done:
            self.done.update(done)
            yield from self._tell(SlicesDone(tuple(done), self.glimpses.looks(done)))
        yield from self._tell(self._progress())

    def _joining(self, slabs: Sequence[Sequence[Tile]]) -> Joining:
        """Choose how the maps of the tiles of these slabs become one."""
        shape = (len(_along(slabs[0])), *self.reading.volume[1:])
        if self.cut.overlapping and len(slabs[0]) > 1:
            return Blended(len(slabs), shape, self.engine.classes, self.wanted, self.engine.decision)
        return SideBySide(len(slabs), shape, self.engine.classes, self.wanted)

    def _attempt(self, tiles: Sequence[Tile], wanted: Wanted) -> Maps | None:
        """Predict tiles of equal shape; None when memory does not suffice."""
        try:
            seen = np.stack([self.reading(tile.seen) for tile in tiles])
            if self.empty is not None and self.empty.fills(seen):
                self.left_out += len(tiles)
                sides = (part.stop - part.start for part in tiles[0].core)
                return self.empty.maps((len(tiles), *sides), wanted)
            maps, glimpse = self.engine(seen, tiles[0].core_in_seen, wanted)
            self.glimpses.add(tiles, glimpse)
            return maps
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        return None  # only here, outside the except block, is what the pass had allocated let go

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
            self.engine = Engine(self.engine.models, on_processor(self.engine.config))
            self._cut()
            return GPU_TOO_SMALL
        raise OutOfMemory(
            f'"{self.name}" does not fit into the memory of this computer, not even in {self.cut.words}: close '
            "other programs, or train a narrower or shallower network."
        )

    def _waiting(self, slab: Sequence[Tile]) -> list[int]:
        """Give the slices of a slab that are asked for and not done yet."""
        return [z for z in _along(slab) if z in self.todo.remaining]

    def _keep(self, slab: Sequence[Tile], maps: Maps) -> list[int]:
        """Hand on what is asked for of a slab's maps (Z, Y, X); give the slices of the scan that are done with it."""
        slices, first = self._waiting(slab), _along(slab).start
        done = [of_scan for z in slices for of_scan in self.keeps.keep(z, maps.at(z - first))]
        self.todo.finish(slices)
        return done

    def _progress(self, under_way: float = 0.0) -> Progress:
        """Say how far it is, ``under_way`` being the slices' worth of tiles that wait for the rest of their slab."""
        total, done = self.todo.total, len(self.todo.done)
        fraction = (done + under_way) / total
        left = (monotonic() - self.begun) * (1 / fraction - 1)
        return Progress(fraction, f"slice {done + (under_way > 0)} of {total}", left)


def _along(slab: Sequence[Tile]) -> range:
    """Give the slices (index along Z) that a slab is the result of."""
    return range(slab[0].core[0].start, slab[0].core[0].stop)
