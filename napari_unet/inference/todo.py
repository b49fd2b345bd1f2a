"""Which slices are next."""

from collections.abc import Callable, Iterable

from napari_unet.events import Command, LookAt, Stop


class Todo:
    """Which slices remain, and what the user said meanwhile.

    Parameters
    ----------
    slices
        Which slices to do.
    look_at
        Which slice of the scan the user looks at: the nearest come first.
    place_of
        Which of these slices shows a slice of the scan.
    """

    def __init__(self, slices: Iterable[int], look_at: int, place_of: Callable[[int], int]) -> None:
        self.remaining = set(slices)
        self.done: set[int] = set()
        self.stopped = False
        self._place_of = place_of
        self._look_at = place_of(look_at)

    def hear(self, command: Command | None) -> None:
        """Take note of what the job was told at a yield."""
        if isinstance(command, Stop):
            self.stopped = True
        elif isinstance(command, LookAt):
            self._look_at = self._place_of(command.z)

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
