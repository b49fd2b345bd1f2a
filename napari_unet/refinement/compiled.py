"""How loops are compiled."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from platformdirs import user_cache_dir

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered and fused, so that they use the processor's vectors; NaN keeps its meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def compiled(function: Function) -> Function:
    """Compile a loop at its first call, without the interpreter's lock, and keep the result on disk.

    The lock is given up so that ordinary threads run these loops side by side. Numba's own parallel loops are not
    used: one of its threading layers ends the whole process when two threads enter it at once, and all of them
    keep cores spinning that PyTorch wants.
    """
    config: Any = numba.config
    given = config.CACHE_DIR
    config.CACHE_DIR = given or _FOLDER
    try:
        decorated = numba.njit(cache=True, nogil=True, fastmath=FAST)(function)
    except RuntimeError:  # no folder can be written: compile again in each process
        decorated = numba.njit(nogil=True, fastmath=FAST)(function)
    finally:
        config.CACHE_DIR = given
    return cast("Function", decorated)


def _folder() -> str:
    """Name a folder for just these sources.

    Numba goes by the date and size of the file a loop is in. Those of an installed file may be the same from one
    version to the next, and a loop has those of other files built in.
    """
    sources = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py")))
    return str(Path(user_cache_dir("napari-unet", appauthor=False)) / f"loops-{sha256(sources).hexdigest()[:16]}")


_FOLDER = _folder()
