"""Devices that share the tiles of a scan, each with the same networks."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from queue import SimpleQueue
from typing import TypeVar

from napari_unet.inference.engine import Engine
from napari_unet.inference.tiling import ZYX, Cut

ON_CUDA = 2
"""Threads for each CUDA device: what one copies, the device takes in while it computes for the other."""

Job = TypeVar("Job")
Result = TypeVar("Result")


class Sharing:
    """Engines that share what is to be computed.

    Parameters
    ----------
    engines
        Of the same networks, one for each device.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = tuple(engines)

    @property
    def first(self) -> Engine:
        """One of them, to ask about the networks."""
        return self.engines[0]

    @property
    def _lanes(self) -> list[Engine]:
        """The engine of each thread."""
        on_cuda = self.first.compute.device.type == "cuda"
        return [engine for _ in range(ON_CUDA if on_cuda else 1) for engine in self.engines]

    @property
    def sentence(self) -> str:
        """Where it computes, in words."""
        number = len(self.engines)
        return f"{f'{number} × ' * (number > 1)}{self.first.compute.sentence}"

    @property
    def at_once(self) -> int:
        """How many passes are worth choosing at once: as many as keep all busy."""
        return 1 if len(self._lanes) == 1 else 2 * len(self._lanes)

    def cut(self, volume: ZYX) -> Cut:
        """Choose how to cut volumes, (Z, Y, X), so that tiles fit wherever they go; see :meth:`Engine.cut`."""
        cuts = [engine.cut(volume) for engine in self.engines]
        return min(cuts, key=lambda cut: (prod(cut.core), cut.batch))

    def map(self, do: Callable[[Engine, Job], Result], jobs: Sequence[Job]) -> Generator[Result, None, None]:
        """Do all jobs, each with the engine that is free first, and give the results in the order of the jobs.

        Closed early, it waits for those that are under way, and leaves the others.
        """
        if len(lanes := self._lanes) == 1:
            yield from (do(lanes[0], job) for job in jobs)
            return
        free: SimpleQueue[Engine] = SimpleQueue()
        for engine in lanes:
            free.put(engine)

        def one(job: Job) -> Result:
            engine = free.get()
            try:
                return do(engine, job)
            finally:
                free.put(engine)

        pool = ThreadPoolExecutor(len(lanes))
        try:
            yield from pool.map(one, jobs)
        finally:
            pool.shutdown(cancel_futures=True)

    def expect(self, left: float) -> None:
        """Hear how many seconds of work are left; see :meth:`Engine.expect`."""
        for engine in self.engines:
            engine.expect(left)

    def free(self) -> None:
        """Give back memory that torch keeps for later."""
        for engine in self.engines:
            engine.free()

    def close(self) -> None:
        """Give back all memory; they compute no more."""
        for engine in self.engines:
            engine.close()
