"""Going on from a model: what it knows stays, and what is new is added.

With the paint that it learned from at hand, that paint is shown again in turn with the new (rehearsal: Robins 1995,
doi:10.1080/09540099550039318). Without it, the weights are held near where they were (L2-SP: Li, Grandvalet and
Davoine 2018, doi:10.48550/arXiv.1802.01483).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND
from napari_unet.config import TrainConfig
from napari_unet.errors import ModelMismatch
from napari_unet.keeping.checksums import voxel_checksum
from napari_unet.model_file import LearnedFrom, Model
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan

HEAD = "head"
"""How the names of the weights begin that have a row for each class."""
SLOWER = 0.25
"""A model goes on with this share of the learning rate, so that it is not thrown off, unless there are new classes or
nothing that it learned from is missing."""
LOOSER = 0.025
"""A model that is to tell a new class is held by this share: it needs features that it did not need before."""
ALIKE = 1.5
"""Intensities whose range is larger or smaller by more than this factor come from another kind of scan."""


@dataclass(frozen=True, eq=False)
class Start:
    """What a training goes on from.

    Parameters
    ----------
    model
        Its network, weights and classes are kept.
    scans, paints
        What it learned from, where that is at hand, to be shown again: as many of one as of the other, paints
        (Z, Y, X) uint8 on the grid of each scan.
    """

    model: Model
    scans: Sequence[Scan] = ()
    paints: Sequence[NDArray[np.uint8]] = ()

    def nothing_is_missing(self, scans: Sequence[Scan], paints: Sequence[NDArray[np.uint8]]) -> bool:
        """Tell whether every scan that the model learned from is shown again, or is one of these, which are new.

        On a scan that is not shown again, what it learned from may be gone: as much as that was has to be painted.
        """
        before = self.model.description.learned_from
        learned = {source.scan for source in before.sources}
        again, new = ({voxel_checksum(scan.array) for scan in of} for of in (self.scans, scans))
        known = sum(int(np.count_nonzero(paint)) for paint in (*paints, *self.paints))
        enough = learned <= again or known >= sum(before.voxels.values())
        return bool(learned) and learned <= again | new and enough


def check_start(start: Start, scans: Sequence[Scan]) -> None:
    """Raise unless scans can be learned from by going on from a model.

    Raises
    ------
    ModelMismatch
        They have other channels than the model, or the same in another order.
    """
    wanted = start.model.description.channel_names
    for scan in (*scans, *start.scans):
        found = scan.channel_names
        if len(wanted) == len(found) and (wanted == found or set(wanted) != set(found)):
            continue
        raise ModelMismatch(
            f'The model to go on from has the channels {", ".join(wanted)} but "{scan.name}" has '
            f"{', '.join(found)}: give the same channels in the same order, or begin with a new network."
        )


def continued(config: TrainConfig, start: Start, labels: Sequence[int], *, whole: bool = False) -> TrainConfig:
    """Give the config of a training that goes on: how fast, and how much the weights are held near where they were.

    Parameters
    ----------
    config
        Of one that begins.
    start
        What it goes on from.
    labels
        Of all classes there are now.
    whole
        Whether nothing that the model learned from is missing: then it learns as if it began.
    """
    before = start.model.description
    grows = set(labels) != set(before.labels)
    rate = config.learning_rate * (1 if grows or whole else SLOWER)
    hold = 0.0 if start.scans or whole else config.hold * (LOOSER if grows else 1)
    return config.model_copy(update={"network": before.network, "learning_rate": rate, "hold": hold})


def grown(
    weights: Mapping[str, NDArray[np.float32]], known: Sequence[int], labels: Sequence[int]
) -> dict[str, NDArray[np.float32]]:
    """Give the weights of a model with a row of its heads for each of ``labels``.

    A class it knows keeps its row. A new one gets a share of the background, from which it is to be told: Cermelli
    et al. 2020, doi:10.1109/CVPR42600.2020.00925. Where there is no background, it gets the mean of all rows.

    Parameters
    ----------
    weights
        Of the model.
    known
        The label of each of its output channels.
    labels
        Of each output channel to be; those of the model are among them.
    """
    return {
        name: _with_rows(value, known, labels, bias=name.endswith("bias")) if HEAD in name else value
        for name, value in weights.items()
    }


def _with_rows(
    rows: NDArray[np.float32], known: Sequence[int], labels: Sequence[int], *, bias: bool
) -> NDArray[np.float32]:
    of_label: dict[int, NDArray[np.float32]] = dict(zip(known, rows, strict=True))
    new = [label for label in labels if label not in of_label]
    if not new:
        return rows
    share = np.float32(log(1 + len(new))) if bias and 0 in of_label else np.float32(0)
    origin = of_label.get(0, rows.mean(0)) - share
    if 0 in of_label:
        of_label[0] = origin
    return np.stack([of_label.get(label, origin) for label in labels])


def added_to(before: LearnedFrom, now: LearnedFrom) -> LearnedFrom:
    """Sum up what a model learned from before and now, without what was only shown again."""
    voxels = {
        label: before.voxels.get(label, 0) + now.voxels.get(label, 0) for label in sorted({*before.voxels, *now.voxels})
    }
    return now.model_copy(
        update={
            "scans": before.scans + now.scans,
            "slices": before.slices + now.slices,
            "voxels": voxels,
            "steps": before.steps + now.steps,
            "seconds": before.seconds + now.seconds,
            "sources": tuple(dict.fromkeys((*before.sources, *now.sources))),
        }
    )


def about_intensities(scan: Scan, by: Sequence[Normalisation], start: Start) -> str:
    """Say which intensities a scan is normalised by, where they are not like those the model learned from."""
    for name, ours, theirs in zip(scan.channel_names, by, start.model.description.normalisation, strict=True):
        ratio = ours.std / theirs.std
        if not 1 / ALIKE <= ratio <= ALIKE or abs(ours.mean - theirs.mean) > theirs.std:
            return (
                f'"{scan.name}" ({name}) has other intensities than the model learned from: {ours.mean:.4g} ± '
                f"{ours.std:.4g} and not {theirs.mean:.4g} ± {theirs.std:.4g}. It is normalised by its own, here and "
                "in prediction."
            )
    return ""


def about_new_classes(labels: Sequence[int], start: Start) -> str:
    """Warn of classes that count as background in what is shown again, where they were not painted then."""
    unknown = set(labels) - set(start.model.description.labels)
    new = [label for label in unknown if not any((paint == label).any() for paint in start.paints)]
    if not new or not any((paint == BACKGROUND).any() for paint in start.paints):
        return ""
    return (
        f"New to the model: class {', '.join(map(str, sorted(new)))}. On the scans that it learned from before, "
        "what was painted as background stays background: paint the new class there too, where it is to be seen."
    )
