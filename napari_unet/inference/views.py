"""A picture mirrored and turned, and the result brought back."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class View:
    """One of the eight ways to lay a square onto itself, within the plane of Y and X.

    Parameters
    ----------
    flipped
        Which of the last axes are mirrored: -1 for X, -2 for Y.
    transposed
        Whether Y and X change places first.
    """

    flipped: tuple[int, ...] = ()
    transposed: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is the picture as it is."""
        return not self.flipped and not self.transposed

    def of(self, picture: torch.Tensor) -> torch.Tensor:
        """See (..., Y, X) this way."""
        seen = picture.mT if self.transposed else picture
        return seen.flip(self.flipped) if self.flipped else seen

    def undone(self, result: torch.Tensor) -> torch.Tensor:
        """Bring what was seen this way back."""
        back = result.flip(self.flipped) if self.flipped else result
        return back.mT if self.transposed else back


VIEWS = tuple(View(flipped, transposed) for transposed in (False, True) for flipped in ((), (-1,), (-2,), (-2, -1)))
"""As it is, mirrored sideways, upside down, turned by half; then the same of the transposed picture."""
