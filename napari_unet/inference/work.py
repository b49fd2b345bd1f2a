"""A prediction under way: slab after slab from where the user looks, each tile by tile."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from threading import Lock
from time import monotonic
from typing import Protocol, TypeAlias

import numpy as np

from napari_unet.errors import OutOfMemory
from napari_unet.events import Command, Event, Note, Progress, SlicesDone, Started
from napari_unet.inference.emptiness import Emptiness
from napari_unet.inference.engine import Engine, is_out_of_memory, on_processor
from napari_unet.inference.glimpses import Glimpse, Glimpses
from napari_unet.inference.joining import TO_BLEND, Blended, Joining, SideBySide
from napari_unet.inference.maps import Maps, Wanted
from napari_unet.inference.reading import Reads
from napari_unet.inference.sharing import Sharing
from napari_unet.inference.tiling import Cut, Tile
from napari_unet.inference.todo import Todo
from napari_unet.networks.memory import keep_no_more

GPU_TOO_SMALL = "The free memory of the GPU does not suffice: the processor computes instead, which is slower."

Events = Generator[Event, Command | None, None]
Slab: TypeAlias = Sequence[Tile]
"""The tiles that some slices come from: one range along Z, all of Y and X."""


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


@dataclass(frozen=True, eq=False)
class _Said:
    """What came of a pass: maps with an axis N in front, and a glimpse of what was looked at; None of air."""

    maps: Maps
    glimpse: Glimpse | None = None


@dataclass
class Work:
    """A prediction under way.

    Parameters
    ----------
    name
        Of the scan.
    reading
        What the networks see.
    engines
        What computes; the processor takes their place when their devices have too little memory.
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
    engines: Sharing
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
    _reads: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._cut()

    def _cut(self) -> None:
        self.cut = self.engines.cut(self.reading.volume)

    def run(self) -> Events:
        """Do all slices, or those until Stop."""
        yield from self._tell(Started(f'Predicting "{self.name}"', self.engines.sentence))
        for note in self.to_say:
            yield from self._note(note)
        while self.todo.remaining and not self.todo.stopped:
            yield from self._predict(self._groups())
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

    def _predict(self, groups: Sequence[Sequence[Slab]]) -> Events:
        """Predict groups of slabs side by side, and those slices that come with them, tile by tile."""
        too_many = 0
        passes = [tiles for slabs in groups for tiles in zip(*slabs, strict=True)]
        with closing(self.engines.map(self._attempt, passes)) as results:
            for slabs in groups:
                if not (yield from self._join(slabs, results)):
                    too_many = len(slabs)
                if too_many or self.todo.stopped:
                    break
        if too_many:  # all devices have come to rest
            yield from self._note(self._use_less_memory(too_many))

    def _join(self, slabs: Sequence[Slab], results: Iterator["_Said | None"]) -> Generator[Event, Command | None, bool]:
        """Put together what comes of the tiles of slabs side by side; tell whether memory sufficed."""
        waiting = sum(len(self._waiting(slab)) for slab in slabs)
        joining = self._joining(slabs)
        for number, tiles in enumerate(zip(*slabs, strict=True)):
            if number:
                yield from self._tell(self._progress(waiting * number / len(slabs[0])))
                if self.todo.stopped:
                    return True
            said = next(results)
            keep_no_more()
            if said is None:
                return False
            if said.glimpse is None:
                self.left_out += len(tiles)
            else:
                self.glimpses.add(tiles, said.glimpse)
            joining.add(tiles[0], said.maps)
        joined = joining.result()
        done = [z for n, slab in enumerate(slabs) for z in self._keep(slab, joined.part(n))]
        if done:
            self.done.update(done)
            yield from self._tell(SlicesDone(tuple(done), self.glimpses.looks(done)))
        progress = self._progress()
        self.engines.expect(progress.seconds_left or 0.0)
        yield from self._tell(progress)
        return True

    def _groups(self) -> list[list[Slab]]:
        """Choose the slabs nearest to where the user looks: as many side by side as the cut has it, for each pass."""
        chosen: list[Slab] = []
        covered: set[int] = set()
        for z in self.todo.nearest(len(self.todo.remaining)):
            if len(chosen) == self.cut.batch * self.engines.at_once:
                break
            if z not in covered:
                chosen.append(self.cut.slab(z))
                covered.update(_along(chosen[-1]))
        return [chosen[first : first + self.cut.batch] for first in range(0, len(chosen), self.cut.batch)]

    @property
    def _blends(self) -> bool:
        """Whether tiles overlap: slabs are cut into several windows."""
        return self.cut.overlapping and len(self.cut.slab(0)) > 1

    def _joining(self, slabs: Sequence[Slab]) -> Joining:
        """Choose how the maps of the tiles of these slabs become one."""
        shape = (len(_along(slabs[0])), *self.reading.volume[1:])
        engine = self.engines.first
        if self._blends:
            return Blended(len(slabs), shape, engine.classes, self.wanted, engine.decision)
        return SideBySide(len(slabs), shape, engine.classes, self.wanted)

    def _attempt(self, engine: Engine, tiles: Sequence[Tile]) -> "_Said | None":
        """Predict tiles of equal shape; None when memory does not suffice. Called in the threads of the devices."""
        wanted = TO_BLEND if self._blends else self.wanted
        try:
            with self._reads:
                seen = np.stack([self.reading(tile.seen) for tile in tiles])
            if self.empty is not None and self.empty.fills(seen):
                sides = (part.stop - part.start for part in tiles[0].core)
                return _Said(self.empty.maps((len(tiles), *sides), wanted))
            return _Said(*engine(seen, tiles[0].core_in_seen, wanted))
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
        engine = self.engines.first
        where = "the GPU" if engine.on_gpu else "this computer"
        tried = replace(self.cut, batch=batch)
        smaller = tried.smaller()
        if smaller is not None:
            self.cut = smaller
            self.engines.free()
            return f"Too little memory on {where} for {tried.words}: it goes on with {smaller.words}."
        if engine.on_gpu:
            self.engines.close()
            self.engines = Sharing([Engine(engine.models, on_processor(engine.config))])
            self._cut()
            return GPU_TOO_SMALL
        raise OutOfMemory(
            f'"{self.name}" does not fit into the memory of this computer, not even in {self.cut.words}: close '
            "other programs, or train a narrower or shallower network."
        )

    def _waiting(self, slab: Slab) -> list[int]:
        """Give the slices of a slab that are asked for and not done yet."""
        return [z for z in _along(slab) if z in self.todo.remaining]

    def _keep(self, slab: Slab, maps: Maps) -> list[int]:
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


def _along(slab: Slab) -> range:
    """Give the slices (index along Z) that a slab is the result of."""
    return range(slab[0].core[0].start, slab[0].core[0].stop)
