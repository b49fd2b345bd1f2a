"""How the loops of this room are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered and fused, so that they use the processor's vectors; NaN keeps its meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Function) -> Function:
    """Compile a loop at its first call, without the interpreter's lock, and keep the result on disk.

    The lock is given up so that ordinary threads run these loops side by side. Numba's own parallel loops are not
    used: one of its threading layers ends the whole process when two threads enter it at once, and all of them
    keep cores spinning that PyTorch wants.
    """
    try:
        decorated: Function = numba.njit(cache=True, nogil=True, fastmath=FAST)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written: compile again each time
        decorated = numba.njit(nogil=True, fastmath=FAST)(function)
    return decorated
