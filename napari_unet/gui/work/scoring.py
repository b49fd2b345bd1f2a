"""Comparing two models of the window on what a person said, in the process that predicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels

from napari_unet.gui.work.activity import Activity
from napari_unet.gui.work.training import Painted, share
from napari_unet.review.comparison import Ground
from napari_unet.runner.scoring import ScoreDone, ScoreRequest
from napari_unet.session import Verb

if TYPE_CHECKING:
    from napari_unet.runner import SharedArray, SharedScan


@dataclass(frozen=True, eq=False)
class Asked:
    """Something to compare models on.

    Parameters
    ----------
    what
        In words, as in "Dice on ...".
    find
        Gives it as paint, when it is called in a thread.
    layer
        On which its slices can be looked at, while that is there.
    """

    what: str
    find: Callable[[], Painted | None]
    layer: Labels | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """What two models were compared on, and a layer on which its slices can be looked at."""

    ground: Ground
    layer: Labels | None = None


class Scoring(Activity):
    """Compares the model before with the one now; only slices that something is known of are predicted."""

    verb = Verb.REVIEW
    announced = False

    def start(self, before: Path, now: Path, asked: Sequence[Asked]) -> None:
        """Begin.

        Parameters
        ----------
        before, now
            The files of the models.
        asked
            What to compare them on.
        """
        self.found: tuple[Compared, ...] = ()
        self._asked: list[Asked] = []

        def make_request() -> ScoreRequest:
            scans: list[SharedScan] = []
            paints: list[SharedArray] = []
            for one in asked:
                painted = one.find()
                if painted is not None:
                    scan, paint, _ = share(painted, self._exchange, self._lend)
                    scans.append(scan)
                    paints.append(paint)
                    self._asked.append(one)
            return ScoreRequest((str(before), str(now)), tuple(scans), tuple(paints))

        self._begin(make_request)

    def _on_result(self, result: object) -> str:
        assert isinstance(result, ScoreDone)
        for one, dice in zip(self._asked, result.dice, strict=True):
            if dice:
                pairs = {z: (before, now) for z, (before, now) in dice.items()}
                self.found += (Compared(Ground(one.what, pairs), one.layer),)
        return ""
