"""How live the window stays while a project saves itself: 512x512x300, painted on without a pause.

A person's strokes are made in the window's thread; a timer there ticks every 2 ms, and whenever a tick comes late, the
window stood still for so long. What napari takes for a stroke itself is not counted. The same strokes are made with and
without a project. Needs a display, such as ``xvfb-run -a python -m benchmarks.keeping``.

With ``--kills 50`` so many windows in which somebody paints, marks, refines and undoes are killed instead, at moments
that chance chooses, and what the next window has of the project is compared with what was done.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.keeping.kills import kill_often
from benchmarks.keeping.stalls import stalls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=20, help="how long is painted each time")
    parser.add_argument("--kills", type=int, default=0, help="kill so many windows instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.kills:
            print(kill_often(Path(folder), args.kills))
        else:
            print(stalls(Path(folder), args.slices, args.side, args.seconds))


if __name__ == "__main__":
    main()
