"""Whether a scan and a model belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet.errors import ModelMismatch
from napari_unet.model_file import ModelDescription
from napari_unet.normalisation import not_numbers
from napari_unet.scan import Scan

SPACING_TOLERANCE = 1.2
"""Voxels larger or smaller by more than this factor look different to a network."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a model is used on a scan.

    Parameters
    ----------
    channels
        For each channel the model expects, which channel of the scan it is.
    finer
        Along Z, Y and X, how many voxels of the model's size take the place of one of the scan; 1 where it is seen as
        it is.
    notes
        What the user should know before trusting the result.
    """

    channels: tuple[int, ...]
    finer: tuple[float, float, float]
    notes: tuple[str, ...]


def match(scan: Scan, model: ModelDescription, *, resample: bool = True) -> Match:
    """Find the scan's channels for a model and compare the two.

    Channels are found by name when scan and model have the same names, else taken in their order.

    Parameters
    ----------
    scan, model
        The two.
    resample
        Whether a scan of another spacing is seen at the model's.

    Raises
    ------
    ModelMismatch
        The scan has more or fewer channels than the model expects.
    """
    channels, about_channels = _channels(scan, model)
    finer = _finer(scan, model)
    about_spacing = ""
    if finer != (1.0, 1.0, 1.0):
        about_spacing = _about_spacing(scan, model, finer, resample=resample)
    notes = (about_channels, about_spacing, _about_numbers(scan))
    return Match(channels, finer if resample else (1.0, 1.0, 1.0), tuple(note for note in notes if note))


def check_ensemble(models: Sequence[ModelDescription]) -> ModelDescription:
    """Check that the opinions of several models can be averaged, and give the description that holds for all.

    Raises
    ------
    ModelMismatch
        Their channels, classes or dimensions differ, or there is none.
    """
    if not models:
        raise ModelMismatch("Choose a model.")
    first = models[0]
    for number, other in enumerate(models[1:], start=2):
        for what, ours, theirs in (
            ("channels", first.channel_names, other.channel_names),
            ("classes", first.labels, other.labels),
            ("dimensions", first.network.dimensions, other.network.dimensions),
            ("neighbour slices", first.network.context, other.network.context),
        ):
            if ours != theirs:
                raise ModelMismatch(
                    f"Model {number} has other {what} ({theirs}) than the first ({ours}): average only models of the "
                    "same scans and classes."
                )
    return first


def _channels(scan: Scan, model: ModelDescription) -> tuple[tuple[int, ...], str]:
    wanted, found = model.channel_names, scan.channel_names
    if len(wanted) != len(found):
        raise ModelMismatch(
            f"The model expects {len(wanted)} channel{'s' * (len(wanted) != 1)} ({', '.join(wanted)}) but "
            f'"{scan.name}" has {len(found)} ({", ".join(found)}): choose the image layer of each channel it expects.'
        )
    if len(set(wanted)) == len(wanted) and set(wanted) == set(found):
        return tuple(found.index(name) for name in wanted), ""
    in_order = tuple(range(len(wanted)))
    if len(wanted) == 1:
        return in_order, ""
    pairs = ", ".join(f"{theirs} for {ours}" for theirs, ours in zip(found, wanted, strict=True))
    return in_order, f"The channels have other names than the model's and are taken in their order: {pairs}."


def _finer(scan: Scan, model: ModelDescription) -> tuple[float, float, float]:
    """Tell how many voxels of the model's size take the place of one of the scan; 1 where both look alike."""
    if scan.unit != model.unit:
        return 1.0, 1.0, 1.0
    z, y, x = (here / learned for here, learned in zip(scan.spacing, model.spacing, strict=True))
    if model.network.dimensions == 2:
        z = 1.0  # single slices look the same however far apart they are
    alike = all(1 / SPACING_TOLERANCE <= ratio <= SPACING_TOLERANCE for ratio in (z, y, x))
    return (1.0, 1.0, 1.0) if alike else (z, y, x)


def _about_spacing(scan: Scan, model: ModelDescription, finer: tuple[float, float, float], *, resample: bool) -> str:
    first = 1 if model.network.dimensions == 2 else 0
    learned, here = (" × ".join(f"{length:.3g}" for length in s.spacing[first:]) for s in (model, scan))
    differ = f'The model learned from voxels of {learned} {model.unit}, "{scan.name}" has {here} {scan.unit}: '
    if resample:
        return (
            f"{differ}it is seen with voxels of the model's size, and the result brought back to its own. Look at the "
            "result closely; if it is poor, paint a few slices of this scan and train on."
        )
    apart = 1 / max(finer[first:], key=lambda ratio: max(ratio, 1 / ratio))
    looks = f"{apart:.1f} times larger" if apart > 1 else f"{1 / apart:.1f} times smaller"
    return f"{differ}the same structure looks up to {looks} to it. Let it be resampled, or look closely."


def _about_numbers(scan: Scan) -> str:
    count = not_numbers(scan)
    if not count:
        return ""
    voxels = "1 voxel is no number" if count == 1 else f"{count:,} voxels are no numbers"
    return (
        f'In "{scan.name}" {voxels} (NaN or infinite): NaN is taken for the darkest value, +infinity for the brightest.'
    )
