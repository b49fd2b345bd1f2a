"""What the window asks of a child process: small, picklable, with arrays by reference.

A request knows how to become a job; the engines are imported only there, in the process that runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.config import FillBetweenConfig, PredictConfig, RefineConfig, TrainConfig
from napari_unet.events import Job
from napari_unet.model_file import ModelDescription, load_model
from napari_unet.normalisation import Normalisation
from napari_unet.runner.exchange import SharedArray, SharedScan
from napari_unet.scan import Geometry

if TYPE_CHECKING:
    from napari_unet.refinement.volume import Probabilities


class Request(Protocol):
    """Something a child process can be asked to do."""

    def job(self) -> Job[Any]:
        """Begin it, in the process that runs it."""


@dataclass(frozen=True, slots=True)
class TrainDone:
    """A finished training: what the model is, the file it lies in, and that of the evidence; "" when there is none."""

    model_path: str
    description: ModelDescription
    evidence_path: str = ""


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Train on scans and their paint; see :func:`napari_unet.training.loop.train_job`.

    Parameters
    ----------
    scans, paints
        As many of one as of the other; paints are (Z, Y, X) uint8.
    config, classes, look_at
        As in ``train_job``.
    preview
        Where to write previews.
    model_path
        Where to write the model.
    start_path
        The file of the model to go on from.
    scans_again, paints_again
        What that model learned from, to be shown again.
    unfinished_path
        Where to keep the state while it is unfinished.
    resume
        Whether to go on with the state that lies there, and with its parameters.
    corrections
        (Z, Y, X) bool for each of the scans, or None for one: what a person put right, which counts more.
    """

    scans: tuple[SharedScan, ...]
    paints: tuple[SharedArray, ...]
    config: TrainConfig
    classes: tuple[ClassInfo, ...]
    model_path: str
    preview: SharedArray | None = None
    look_at: int | None = None
    start_path: str = ""
    scans_again: tuple[SharedScan, ...] = ()
    paints_again: tuple[SharedArray, ...] = ()
    unfinished_path: str = ""
    resume: bool = False
    corrections: tuple[SharedArray | None, ...] = ()

    def job(self) -> Job[TrainDone]:
        """Train, and write the model."""
        from napari_unet.training import Start
        from napari_unet.training.given import Given
        from napari_unet.training.loop import train_to_file
        from napari_unet.training.unfinished import config_of

        again = ([scan.open() for scan in self.scans_again], [paint.open() for paint in self.paints_again])
        unfinished = Path(self.unfinished_path) if self.unfinished_path else None
        given = Given(
            [scan.open() for scan in self.scans],
            [paint.open() for paint in self.paints],
            self.config if unfinished is None or not self.resume else config_of(unfinished),
            classes=self.classes,
            start=Start(load_model(self.start_path), *again) if self.start_path else None,
            preview=None if self.preview is None else self.preview.open(writable=True),
            look_at=self.look_at,
            unfinished=unfinished,
            resume=self.resume,
            corrections=[_opened(corrected) for corrected in self.corrections],
        )
        trained = yield from train_to_file(given, Path(self.model_path))
        if trained.evidence is None:
            return TrainDone(self.model_path, trained.model.description)
        evidence_path = Path(self.model_path).with_suffix(".npz")
        trained.evidence.save(evidence_path)
        return TrainDone(self.model_path, trained.model.description, str(evidence_path))


@dataclass(frozen=True, slots=True)
class PredictDone:
    """A finished prediction: which slices were done, of how many."""

    slices: tuple[int, ...]
    wanted: int


@dataclass(frozen=True, slots=True)
class PredictRequest:
    """Predict a scan; see :func:`napari_unet.inference.prediction.predict_job`.

    Parameters
    ----------
    model_paths
        The files of the model, or of several to average.
    scan
        What to predict.
    out
        (Z, Y, X) uint8, where to write labels.
    config, slices, part, look_at
        As in ``predict_job``.
    probabilities
        (classes, Z, Y, X) float16, where to write how likely each class is, when that is wanted.
    uncertainty
        (Z, Y, X) float16, where to write how much doubt is left, when that is wanted.
    """

    model_paths: tuple[str, ...]
    scan: SharedScan
    out: SharedArray
    config: PredictConfig
    slices: tuple[int, ...] | None = None
    part: tuple[slice, slice] | None = None
    look_at: int | None = None
    probabilities: SharedArray | None = None
    uncertainty: SharedArray | None = None

    def job(self) -> Job[PredictDone]:
        """Predict."""
        from napari_unet.inference.prediction import predict_job

        prediction = yield from predict_job(
            [load_model(path) for path in self.model_paths],
            self.scan.open(),
            self.config,
            out=self.out.open(writable=True),
            probabilities=_opened(self.probabilities, writable=True),
            uncertainty=_opened(self.uncertainty, writable=True),
            slices=self.slices,
            part=self.part,
            look_at=self.look_at,
        )
        wanted = self.out.shape[0] if self.slices is None else len(self.slices)
        return PredictDone(prediction.slices, wanted)


@dataclass(frozen=True, slots=True)
class RefineDone:
    """A finished refinement: what it changed, in voxels and, where there is a spacing in mm, ml by class."""

    added: Mapping[int, int]
    removed: Mapping[int, int]
    voxel_ml: float


@dataclass(frozen=True, slots=True)
class RefineRequest:
    """Refine a mask; see :func:`napari_unet.refinement.pipeline.refine_job`.

    Parameters
    ----------
    mask, out
        (Z, Y, X) uint8.
    config, spacing, depth, protected, intensities, region, measured, geometry, slices
        As in ``refine_job``.
    probabilities
        (K, Z, Y, X), and which class each of the K is.
    """

    mask: SharedArray
    out: SharedArray
    config: RefineConfig
    spacing: tuple[float, float, float]
    depth: int
    protected: SharedArray | None = None
    intensities: SharedArray | None = None
    probabilities: tuple[SharedArray, tuple[int, ...]] | None = None
    region: SharedArray | None = None
    measured: tuple[Normalisation, ...] = ()
    geometry: Geometry | None = None
    slices: tuple[int, ...] | None = None

    def job(self) -> Job[RefineDone]:
        """Refine."""
        from napari_unet.refinement.pipeline import refine_job

        refined = yield from refine_job(
            self.mask.open(),
            self.config,
            spacing=self.spacing,
            depth=self.depth,
            protected=_opened(self.protected),
            intensities=_opened(self.intensities),
            probabilities=_likely(self.probabilities),
            region=_opened(self.region),
            measured=self.measured,
            geometry=self.geometry,
            out=self.out.open(writable=True),
            slices=self.slices,
        )
        return RefineDone(dict(refined.added), dict(refined.removed), refined.voxel_ml)


@dataclass(frozen=True, slots=True)
class SuggestDone:
    """Refinements that were tried: what to do, in a sentence, and the steps of the best, where one helps."""

    advice: str
    best: RefineConfig | None


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """Try refinements on painted slices; see :func:`napari_unet.refinement.suggestions.suggest_job`.

    Parameters
    ----------
    mask, paint
        (Z, Y, X) uint8.
    spacing, depth, intensities
        As in ``suggest_job``.
    probabilities
        (K, Z, Y, X), and which class each of the K is.
    """

    mask: SharedArray
    paint: SharedArray
    spacing: tuple[float, float, float]
    depth: int
    intensities: SharedArray
    probabilities: tuple[SharedArray, tuple[int, ...]] | None = None

    def job(self) -> Job[SuggestDone]:
        """Try them."""
        from napari_unet.refinement.suggestions import advice, suggest_job

        tried = yield from suggest_job(
            self.mask.open(),
            self.paint.open(),
            spacing=self.spacing,
            depth=self.depth,
            intensities=self.intensities.open(),
            probabilities=_likely(self.probabilities),
        )
        return SuggestDone(advice(tried), tried[0].config if tried and tried[0].helps else None)


@dataclass(frozen=True, slots=True)
class FillDone:
    """A finished filling: the voxels that each label gained (255 is background), and the ml of a voxel."""

    added: Mapping[int, int]
    voxel_ml: float


@dataclass(frozen=True, slots=True)
class FillRequest:
    """Fill the slices between painted ones; see :func:`napari_unet.refinement.between.fill_between_job`.

    Parameters
    ----------
    paint, out
        (Z, Y, X) uint8.
    config, spacing, depth
        As in ``fill_between_job``.
    """

    paint: SharedArray
    out: SharedArray
    config: FillBetweenConfig
    spacing: tuple[float, float, float]
    depth: int

    def job(self) -> Job[FillDone]:
        """Fill."""
        from napari_unet.refinement.between import fill_between_job

        out = self.out.open(writable=True)
        filled = yield from fill_between_job(
            self.paint.open(), self.config, spacing=self.spacing, depth=self.depth, out=out
        )
        return FillDone(dict(filled.added), filled.voxel_ml)


def _opened(shared: SharedArray | None, *, writable: bool = False) -> NDArray[Any] | None:
    return None if shared is None else shared.open(writable=writable)


def _likely(shared: tuple[SharedArray, tuple[int, ...]] | None) -> "Probabilities | None":
    from napari_unet.refinement.volume import Probabilities

    return None if shared is None else Probabilities(shared[0].open(), shared[1])
