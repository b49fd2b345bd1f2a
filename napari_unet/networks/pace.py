"""How many threads a network computes on, where other programs may want the processor too."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

import torch

TRIALS = 2
"""Pieces of work that each number of threads is tried with at first; the first of them also sets things up."""
TRIED_AGAIN = 20.0
"""After so many times the seconds that a trial took, another number of threads is tried again: others come and go."""


class Pace:
    """Has pieces of work that are alike done on as many threads as do them fastest.

    After each layer the threads wait for the last of them. Where other programs hold the processor's cores, that one
    comes late, and all of them take many times as long as one would alone.

    Parameters
    ----------
    most
        Threads at most; half as many, and so on down to one, are tried too.
    fixed
        Whether there are always as many: what is computed must then not depend on the clock.
    clock
        Gives seconds.
    """

    def __init__(self, most: int, *, fixed: bool = False, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        choices = [most] if fixed else [most >> halved for halved in range(most.bit_length())]
        self._seconds: dict[int, list[float]] = {threads: [] for threads in choices}
        self._again = 0.0

    @property
    def threads(self) -> int:
        """How many threads the next piece of work is done on."""
        for threads, seconds in self._seconds.items():
            if len(seconds) < TRIALS:
                return threads
        best = min(self._seconds, key=lambda threads: self._seconds[threads][-1])
        if len(self._seconds) > 1 and self._clock() >= self._again:
            return next(threads for threads in self._seconds if threads != best)  # the one tried longest ago
        return best

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Do a piece of work within on the right number of threads."""
        threads = self.threads
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        begun = self._clock()
        yield
        took = self._clock() - begun
        before = self._seconds.pop(threads)
        self._seconds[threads] = [*before[-TRIALS + 1 :], took]  # now the last of them
        fastest = min(seconds[-1] for seconds in self._seconds.values() if seconds)
        if took > fastest or self._again == 0.0:
            self._again = self._clock() + TRIED_AGAIN * took
