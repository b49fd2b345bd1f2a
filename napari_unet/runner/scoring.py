"""Comparing models on what is known of scans, in a child process."""

from collections.abc import Mapping
from dataclasses import dataclass

from napari_unet.events import Job
from napari_unet.model_file import load_model
from napari_unet.runner.exchange import SharedArray, SharedScan


@dataclass(frozen=True, slots=True)
class ScoreDone:
    """For each scan, by slice: how well each model does on what is known."""

    dice: tuple[Mapping[int, tuple[float, ...]], ...]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Compare models; see :func:`napari_unet.inference.scoring.score_job`.

    Parameters
    ----------
    model_paths
        Their files.
    scans, paints
        As many of one as of the other; paints are (Z, Y, X) uint8.
    """

    model_paths: tuple[str, ...]
    scans: tuple[SharedScan, ...]
    paints: tuple[SharedArray, ...]

    def job(self) -> Job[ScoreDone]:
        """Compare."""
        from napari_unet.inference.scoring import Known, score_job

        known = [Known(scan.open(), paint.open()) for scan, paint in zip(self.scans, self.paints, strict=True)]
        scores = yield from score_job([load_model(path) for path in self.model_paths], known)
        return ScoreDone(tuple(scores))
