"""Whether a scan and a model belong together."""

from dataclasses import dataclass

from napari_unet.errors import ModelMismatch
from napari_unet.model_file import ModelDescription
from napari_unet.normalisation import not_numbers
from napari_unet.scan import Scan

SPACING_TOLERANCE = 1.2
"""Voxels larger or smaller by more than this factor are worth a word."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a model is used on a scan.

    Parameters
    ----------
    channels
        For each channel the model expects, which channel of the scan it is.
    notes
        What the user should know before trusting the result.
    """

    channels: tuple[int, ...]
    notes: tuple[str, ...]


def match(scan: Scan, model: ModelDescription) -> Match:
    """Find the scan's channels for a model and compare the two.

    Channels are found by name when scan and model have the same names, else taken in their order.

    Raises
    ------
    ModelMismatch
        The scan has more or fewer channels than the model expects.
    """
    channels, about_channels = _channels(scan, model)
    notes = (about_channels, _about_spacing(scan, model), _about_numbers(scan))
    return Match(channels, tuple(note for note in notes if note))


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


def _about_spacing(scan: Scan, model: ModelDescription) -> str:
    if scan.unit != model.unit:
        return ""
    first = 1 if model.network.dimensions == 2 else 0  # single slices look the same however far apart they are
    ratios = [ours / theirs for ours, theirs in zip(model.spacing, scan.spacing, strict=True)][first:]
    apart = max(ratios, key=lambda ratio: max(ratio, 1 / ratio))
    if 1 / SPACING_TOLERANCE <= apart <= SPACING_TOLERANCE:
        return ""
    learned, here = (" × ".join(f"{length:.3g}" for length in s.spacing[first:]) for s in (model, scan))
    looks = f"{apart:.1f} times larger" if apart > 1 else f"{1 / apart:.1f} times smaller"
    return (
        f'The model learned from voxels of {learned} {model.unit}, "{scan.name}" has {here} {scan.unit}: the same '
        f"structure looks up to {looks} to it. Look at the result closely; if it is poor, resample the scan to the "
        "model's spacing first, or paint a few slices of this scan and train on."
    )


def _about_numbers(scan: Scan) -> str:
    count = not_numbers(scan)
    if not count:
        return ""
    voxels = "1 voxel is no number" if count == 1 else f"{count:,} voxels are no numbers"
    return (
        f'In "{scan.name}" {voxels} (NaN or infinite): NaN is taken for the darkest value, +infinity for the brightest.'
    )
