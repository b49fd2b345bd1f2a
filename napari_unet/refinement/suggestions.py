"""Which refinement a mask gains from, told by what is painted.

Each of a few refinements is done on the painted slices, as though nothing there were painted, and compared with the
paint. A gain counts when it is larger than its standard error, by a jackknife over slices or, when few are painted,
over blocks of them (Efron & Stein 1981, doi:10.1214/aos/1176345462).

A network has seen the paint that it learned from, so that its mask is better there than elsewhere and has less to
gain: on such paint the suggestion is cautious. On real scans (``benchmarks/refine/USEFUL.md``) what gained on the paint
gained elsewhere; where the network knew the paint nearly by heart, stronger refinements that would have helped
elsewhere were passed over. Training models on parts of the paint, to predict the others, told less: they are worse
models, in need of other refinements. Paint that is newer than the model tells most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND
from napari_unet.config import DenseCRF, KeepLargest, RefineConfig, RefineStep, RemoveSmall, Smooth
from napari_unet.errors import BadInput, NothingPainted
from napari_unet.events import Job, Progress, Started, Stop
from napari_unet.normalisation import measure
from napari_unet.refinement.distances import Spacing
from napari_unet.refinement.pipeline import refine_job
from napari_unet.refinement.steps import slices_seen
from napari_unet.refinement.volume import Evidence, Probabilities, telling
from napari_unet.scan import Scan

MOST_SLICES = 16
"""Painted slices that are looked at, evenly spread; more would tell little more."""
ENOUGH_SLICES = 8
"""From so many on the error is that over slices, else over blocks of them."""
BLOCKS = 4
"""Blocks along each side of a slice."""
LEAST_GAIN = 0.002
"""Of Dice; less is not worth a step."""
KERNELS = (
    (2, 2, 0.02),
    (4, 2, 0.02),
    (4, 5, 0.02),
    (4, 2, 0.05),
    (4, 5, 0.05),
    (8, 2, 0.05),
    (8, 8, 0.05),
    (8, 2, 0.12),
)
"""Dense CRFs to try: width in voxels, weight, and how alike intensities must be."""
LEAST_ALIKE_COLOURS = 0.05
"""Narrower kernels take minutes where there are several channels."""
SMALL = 25
"""Voxels of a piece that may be a speck."""


@dataclass(frozen=True)
class Suggestion:
    """A refinement that was tried, and what it did.

    Parameters
    ----------
    config
        Its steps; none is the mask as it is.
    words
        What it does, in a few words.
    before, after
        Mean Dice of the painted classes on the painted voxels.
    error
        Standard error of the gain.
    """

    config: RefineConfig
    words: str
    before: float
    after: float
    error: float

    @property
    def gain(self) -> float:
        """What Dice it gains."""
        return self.after - self.before

    @property
    def helps(self) -> bool:
        """Whether it gains more than may be by chance."""
        return self.gain >= max(LEAST_GAIN, self.error)

    @property
    def verdict(self) -> str:
        """Say whether it helps, in a few words."""
        if self.helps:
            return "helps"
        return "too little to tell" if self.gain > 0 else "does not help"

    def sentence(self) -> str:
        """Say what it does to Dice."""
        return f"{self.words}: Dice {self.before:.3f} to {self.after:.3f} on the painted slices"


def advice(suggestions: Sequence[Suggestion]) -> str:
    """Say what to do, given what was tried, best first."""
    if suggestions and suggestions[0].helps:
        return f"{suggestions[0].sentence()}."
    return "Nothing that was tried helps here for sure: the mask is best as it is."


def suggest_job(
    mask: NDArray[np.uint8],
    paint: NDArray[np.uint8],
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    depth: int | None = None,
    intensities: NDArray[Any] | None = None,
    probabilities: Probabilities | None = None,
    candidates: Sequence[RefineConfig] = (),
) -> Job[tuple[Suggestion, ...]]:
    """Try a few refinements of a mask on the painted slices.

    Parameters
    ----------
    mask
        (Z, Y, X) uint8: 0 background, 1..254 classes, as it was predicted: without the paint put into it.
    paint
        (Z, Y, X) uint8: 0 not painted, 1..254 classes, 255 background.
    spacing, depth, intensities, probabilities
        As in :func:`napari_unet.refinement.pipeline.refine_job`. Without intensities no dense CRF is tried.
    candidates
        What to try; a choice that fits the spacing when empty.

    Yields
    ------
    Event
        Started, and Progress. On Stop what was tried so far is the result.

    Returns
    -------
    tuple of Suggestion
        Those that surely help first, then by what they gain.

    Raises
    ------
    NothingPainted
        No class is painted.
    BadInput
        The arrays do not fit together.
    """
    if paint.shape != mask.shape:
        raise BadInput(f"the paint is {paint.shape} but the mask is {mask.shape}: give the paint of the same scan.")
    Evidence(intensities=intensities, probabilities=probabilities).check(mask.shape)
    yield Started("trying refinements on the painted slices", "CPU")
    trial = _Trial.of(mask, paint, spacing, depth, intensities, probabilities)
    tried = list(candidates or usual(spacing, len(telling(trial.known["measured"]))))
    before = trial.counts(trial.mask[trial.slices])
    found: list[Suggestion] = []
    stopped = False
    for number, config in enumerate(tried):
        what = words(config)
        job = trial.refined(config)
        while not stopped:
            try:
                event = next(job)
            except BadInput:  # kernels that are too narrow for this scan
                break
            except StopIteration as end:
                after = trial.counts(end.value)
                found.append(Suggestion(config, what, _dice(before), _dice(after), _error(before, after)))
                break
            if isinstance(event, Progress):
                share = (number + event.fraction) / len(tried)
                stopped |= isinstance((yield Progress(share, f"{number + 1} of {len(tried)}: {what}")), Stop)
        job.close()
    return tuple(sorted(found, key=lambda one: (one.helps, one.gain - one.error), reverse=True))


def usual(spacing: Spacing, channels: int) -> list[RefineConfig]:
    """Give what is worth a try on a scan of so many channels (0: no scan), with voxels of these sides in mm."""
    voxel = round(max(spacing[1:]), 2)
    steps: list[RefineStep] = [RemoveSmall(volume=0, voxels=SMALL), KeepLargest(), Smooth(sigma=voxel)]
    if channels:
        steps += [
            DenseCRF(
                appearance_width=round(width * voxel, 2),
                appearance_weight=weight,
                intensity_width=alike,
                smoothness_width=voxel,
            )
            for width, weight, alike in KERNELS
            if channels == 1 or alike >= LEAST_ALIKE_COLOURS
        ]
    return [RefineConfig(steps=(step,)) for step in steps]


def words(config: RefineConfig) -> str:
    """Say in a few words what a refinement does."""
    return ", then ".join(_words(step) for step in config.enabled) or "nothing"


def _words(step: RefineStep) -> str:
    match step:
        case DenseCRF():
            alike = f"intensities alike to {step.intensity_width:.0%}"
            return f"dense CRF, {step.appearance_width:g} mm, weight {step.appearance_weight:g}, {alike}"
        case Smooth():
            return f"smooth, {step.sigma:g} mm"
        case RemoveSmall():
            return f"remove small, {step.voxels} voxels"
        case _:
            return step.kind.replace("-", " ")


@dataclass(frozen=True, eq=False)
class _Trial:
    """What refinements are tried on.

    Parameters
    ----------
    mask, depth, known
        As ``refine_job`` takes them.
    slices
        Where to look.
    paint
        (len(slices), Y, X) uint8.
    """

    mask: NDArray[np.uint8]
    depth: int
    known: dict[str, Any]
    slices: NDArray[np.intp]
    paint: NDArray[np.uint8]

    @classmethod
    def of(
        cls,
        mask: NDArray[np.uint8],
        paint: NDArray[np.uint8],
        spacing: Spacing,
        depth: int | None,
        intensities: NDArray[Any] | None,
        probabilities: Probabilities | None,
    ) -> "_Trial":
        """Choose the slices.

        Raises
        ------
        NothingPainted
            No class is painted.
        """
        painted = np.flatnonzero([np.any((plane > 0) & (plane != BACKGROUND)) for plane in paint])
        if not painted.size:
            raise NothingPainted("No class is painted here to compare with: paint one on a slice or two, all of it.")
        count = min(MOST_SLICES, painted.size)
        slices = painted[np.linspace(0, painted.size - 1, count).round().astype(int)]
        known = {
            "spacing": spacing,
            "intensities": intensities,
            "probabilities": probabilities,
            "measured": () if intensities is None else measure(Scan(intensities)),
        }
        return cls(mask, len(mask) if depth is None else depth, known, slices, paint[slices])

    def refined(self, config: RefineConfig) -> Job[NDArray[np.uint8]]:
        """Refine; give the slices that are looked at."""
        spacing = self.known["spacing"]
        if all(slices_seen(step, slice(1, 2), 3, spacing) == slice(1, 2) for step in config.enabled):
            # Each slice by itself, so that those between are not done for nothing.
            known = dict(self.known)
            if known["intensities"] is not None:
                known["intensities"] = known["intensities"][:, self.slices]
            if (said := known["probabilities"]) is not None:
                known["probabilities"] = Probabilities(said.array[:, self.slices], said.labels)
            refined = yield from refine_job(self.mask[self.slices], config, depth=1, **known)
            return refined.labels
        slices = [int(z) for z in self.slices]
        refined = yield from refine_job(self.mask, config, depth=self.depth, slices=slices, **self.known)
        labels: NDArray[np.uint8] = refined.labels[self.slices]
        return labels

    def counts(self, labels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Count, for each part of the paint and each painted class, voxels (in both, in the mask, in the paint)."""
        cut = 1 if len(self.slices) >= ENOUGH_SLICES else BLOCKS
        classes = [int(label) for label in np.unique(self.paint) if label not in (0, BACKGROUND)]
        parts = []
        for plane, painted in zip(labels, self.paint, strict=True):
            for rows, known in zip(np.array_split(plane, cut), np.array_split(painted, cut), strict=True):
                blocks = zip(np.array_split(rows, cut, 1), np.array_split(known, cut, 1), strict=True)
                parts += [_overlaps(ours, theirs, classes) for ours, theirs in blocks if theirs.any()]
        return np.array(parts)


def _overlaps(ours: NDArray[np.uint8], theirs: NDArray[np.uint8], classes: Sequence[int]) -> list[list[int]]:
    ours = np.where(theirs > 0, ours, 0)
    return [
        [int(((ours == label) & (theirs == label)).sum()), int((ours == label).sum()), int((theirs == label).sum())]
        for label in classes
    ]


def _dice(counts: NDArray[np.int64]) -> float:
    """Give the mean Dice of the classes over all parts, (parts, classes, 3)."""
    both, ours, theirs = counts.sum(0).T
    there = theirs > 0
    return float(np.mean(2 * both[there] / (ours + theirs)[there]))


def _error(before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    """Give the jackknife's standard error of the gain."""
    count = len(before)
    if count < 2:
        return float("inf")
    gains = [
        _dice(np.delete(after, part, 0)) - _dice(np.delete(before, part, 0))
        for part in range(count)
        if np.delete(before, part, 0)[..., 2].any()
    ]
    return float(np.sqrt((count - 1) / count * np.sum((np.array(gains) - np.mean(gains)) ** 2)))
