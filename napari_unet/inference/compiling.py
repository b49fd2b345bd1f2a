"""A network compiled beside a long prediction, and taken for the rest of it where it is the faster one.

Compiling takes a C++ compiler on the processor (Triton on a GPU) and most of a minute, and saves a few hundredths of
the time (``python -m benchmarks.predict --compile``), so that it pays for itself in predictions of many minutes only.
Nothing of PyTorch's compiler is imported before that.
"""

import logging
from collections.abc import Callable
from threading import Thread
from time import perf_counter
from typing import TypeAlias

import torch

COST = 30.0
"""Seconds that compiling takes from the work beside it: some 20 measured on a processor, and a trial."""
GAIN = {"cpu": 0.04, "cuda": 0.1}
"""The share of the time that it saves: measured on a processor, of others' reports on a GPU."""
CLEARLY = 0.98
"""It is taken when it needs no more than this share of the time."""
ALIKE = 0.9999
"""It is taken when it says the same of at least this share of the voxels."""

Passes: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Maps (N, channels, ...) to logits (N, classes, ...)."""
log = logging.getLogger(__name__)


def pays(device: str, left: float) -> bool:
    """Tell whether compiling saves more than it costs, twice over, when so many seconds of work are left."""
    return GAIN.get(device, 0.0) * left > 2 * COST


class Compiled:
    """A network that is compiled in the background for inputs of one shape; until then, and for others, as it is.

    The first such input passes both. A compiler that is missing, fails, or makes something slower or something else
    leaves the network as it is.

    Parameters
    ----------
    network
        What is compiled; it is taken as it is meanwhile.
    example
        An input, such as most of those to come.
    """

    def __init__(self, network: Passes, example: torch.Tensor) -> None:
        self._network = network
        self._like = (example.shape, example.stride(), example.dtype)
        self._candidate: Passes | None = None
        self._judged = False
        self._thread = Thread(target=self._compile, args=(example,), daemon=True, name="compiling")
        self._thread.start()

    @property
    def taken(self) -> bool:
        """Whether what was compiled was found to be better."""
        return self._judged and self._candidate is not None

    def join(self) -> None:
        """Wait until it is compiled, or cannot be."""
        self._thread.join()

    @torch.inference_mode()
    def _compile(self, example: torch.Tensor) -> None:
        try:
            candidate = compiled(self._network, example)
        except Exception:  # of the many ways in which a compiler can fail, none is the user's
            log.debug("not compiled", exc_info=True)
        else:
            self._candidate = candidate

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Give the logits."""
        candidate = self._candidate
        if candidate is None or self._like != (x.shape, x.stride(), x.dtype):
            return self._network(x)
        return candidate(x) if self._judged else self._judge(candidate, x)

    def _judge(self, candidate: Passes, x: torch.Tensor) -> torch.Tensor:
        """Pass both, and leave the better one."""
        self._judged = True
        plain, slow = timed(self._network, x)
        try:
            other, fast = timed(candidate, x)
        except Exception:
            log.debug("not as compiled", exc_info=True)
            self._candidate = None
            return plain
        alike = float((other.argmax(1) == plain.argmax(1)).float().mean())
        log.debug("compiled: %.3f s instead of %.3f s, %.5f alike", fast, slow, alike)
        if fast > CLEARLY * slow or alike < ALIKE:
            self._candidate = None
        return plain


def compiled(network: Passes, example: torch.Tensor) -> Passes:
    """Compile a network, whose weights stay as they are, for inputs like an example; raise what the compiler raises."""
    run = torch.compile(network, dynamic=False, options={"freezing": True, "compile_threads": 1})
    run(example)

    def pass_on(x: torch.Tensor) -> torch.Tensor:
        with torch.compiler.set_stance("eager_on_recompile"):  # never in the midst of the work
            return run(x)

    return pass_on


def timed(network: Passes, x: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Give what a network says, and the seconds it took."""
    begun = perf_counter()
    said = network(x)
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return said, perf_counter() - begun
