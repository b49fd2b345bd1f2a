"""How many threads a network computes on, where other programs may want the processor too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time

import torch

TRIALS = 2
"""Pieces of work that each number of threads is tried with at first; the first of them also sets things up."""
TRIED_AGAIN = 20.0
"""After so many times the seconds that a trial took, another number of threads is tried again: others come and go."""
HELD_UP = 0.8
"""Threads that got less than this share of the time of a core each were waiting for their turn."""


class Pace:
    """Has pieces of work that are alike done on as many threads as do them fastest.

    After each layer the threads wait for the last of them. Where other programs hold the processor's cores, that one
    comes late, and all of them take many times as long as one would alone.

    Parameters
    ----------
    most
        Threads at most, and at first. Where they are held up, half as many are tried, and so on while that is faster.
    fixed
        Whether there are always as many: what is computed must then not depend on the clock.
    clock, computed
        Give seconds: that went by, and that cores worked for this program.
    """

    def __init__(
        self,
        most: int,
        *,
        fixed: bool = False,
        clock: Callable[[], float] = perf_counter,
        computed: Callable[[], float] = process_time,
    ) -> None:
        self._clock, self._computed = clock, computed
        self._choices = [most] if fixed else [most >> halved for halved in range(most.bit_length())]
        self._seconds: dict[int, list[float]] = {}
        self._again = 0.0
        self._held_up = False

    @property
    def threads(self) -> int:
        """How many threads the next piece of work is done on."""
        if not self._seconds:
            return self._choices[0]
        best = min(self._seconds, key=lambda threads: self._seconds[threads][-1])
        place = self._choices.index(best)
        fewer = self._choices[place + 1 : place + 2] if self._held_up else []
        near = [best, *fewer, *self._choices[max(0, place - 1) : place]]
        for threads in near:
            if len(self._seconds.get(threads, ())) < TRIALS:
                return threads
        if len(near) > 1 and self._clock() >= self._again:
            return next(threads for threads in self._seconds if threads in near[1:])  # the one tried longest ago
        return best

    @contextmanager
    def kept(self, size: float = 1.0) -> Iterator[None]:
        """Do a piece of work of some size within, on the right number of threads."""
        threads = self.threads
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        begun, computed = self._clock(), self._computed()
        yield
        took, computed = self._clock() - begun, self._computed() - computed
        self._held_up = computed < HELD_UP * threads * took
        before = self._seconds.pop(threads, [])
        self._seconds[threads] = [*before[-TRIALS + 1 :], took / size]  # now the last of them
        if took / size > min(seconds[-1] for seconds in self._seconds.values()):
            self._again = self._clock() + TRIED_AGAIN * took
