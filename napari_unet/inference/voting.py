"""A volume seen slice by slice along each of its axes; two of three decide.

A network that sees single slices sees other slices of the same structure along the other axes, and errs elsewhere:
Prasoon et al. 2013, doi:10.1007/978-3-642-40763-5_31, and Roth et al. 2014, doi:10.1007/978-3-319-10404-1_65.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput
from napari_unet.events import Command, Event, Progress, SlicesDone, Started
from napari_unet.inference.maps import LABELS_ONLY, Maps
from napari_unet.inference.matching import Match, match
from napari_unet.inference.planning import Ask, prepared
from napari_unet.inference.work import Events, Work
from napari_unet.model_file import Model
from napari_unet.normalisation import measure
from napari_unet.scan import Scan

MOST_UNEQUAL = 1.5
"""Where slices are farther apart than this many voxels of theirs, other planes show something else."""
PLANES = ((0, 1, 2), (1, 0, 2), (2, 0, 1))
"""The axes of the scan that are slices, rows and columns of each plane; the first is the scan as it is."""

Axes = tuple[int, int, int]
Voted = tuple[set[int], list[str]]
"""Which slices are done, and what the user was told."""


def three_planes_job(
    models: Sequence[Model], scan: Scan, config: PredictConfig, matched: Match, out: Maps, ask: Ask
) -> Generator[Event, Command | None, Voted]:
    """Predict a scan along its three axes, and let the planes vote.

    Where no two agree, the scan's own slices decide. Stopped early, it keeps what these said so far.

    Parameters
    ----------
    models, scan, config, matched, out, ask
        As for :func:`napari_unet.inference.planning.prepared`.

    Raises
    ------
    BadInput
        The network sees blocks anyway, the voxels are not as long as wide, the scan is flat or a series, or more than
        labels is wanted.
    """
    _check(models[0], scan, out)
    scan = scan.with_array(np.asarray(scan.array))  # a Zarr is laid out for one plane only
    normalisation = measure(scan)
    opinions = np.zeros((len(PLANES), *scan.grid), np.uint8)
    notes: list[str] = []
    voters = opinions
    done = set(ask.slices)
    for number, axes in enumerate(PLANES):
        seen = _along(scan, axes)
        found = matched if number == 0 else replace(match(seen, models[0].description), notes=())
        of_plane = Maps(opinions[number].transpose(axes))
        work = prepared(models, seen, config, found, normalisation, of_plane, _ask(ask, axes, scan))
        try:
            yield from _run(work, number)
        finally:
            work.engines.close()
        notes += work.notes
        if work.todo.stopped:
            done = work.done if number == 0 else done
            voters = opinions[:1]
            break
    for z in sorted(done, key=lambda z: abs(z - ask.look_at)):
        out.put(Maps(_vote(voters[:, z])[ask.part]), z, *ask.part)
        yield SlicesDone((z,))
    return done, notes


def _run(work: Work, number: int) -> Events:
    """Run the work on a plane; that slices are done is told after the vote only."""
    events, command = work.run(), None
    while True:
        try:
            event = events.send(command)
        except StopIteration:
            return
        command = None
        if isinstance(event, Progress):
            share = (number + event.fraction) / len(PLANES)
            command = yield Progress(share, f"plane {number + 1} of {len(PLANES)}: {event.text}")
        elif not isinstance(event, SlicesDone) and not (number and isinstance(event, Started)):
            command = yield event


def _vote(opinions: NDArray[np.uint8]) -> Any:
    """Give what two of three planes, (3, Y, X), agree on, else what the first says; alone, that."""
    if len(opinions) == 1:
        return opinions[0]
    own, second, third = opinions
    return np.where(second == third, second, own)


def _along(scan: Scan, axes: Axes) -> Scan:
    """See a scan with other axes as slices, rows and columns."""
    z, y, x = (scan.spacing[axis] for axis in axes)
    array = scan.array.transpose(0, *(1 + axis for axis in axes))
    return replace(scan, array=array, spacing=(z, y, x), geometry=None)


def _ask(ask: Ask, axes: Axes, scan: Scan) -> Ask:
    """Ask for what lies within the slices and the part that are wanted; of other planes, for all that they cross."""
    if axes == PLANES[0]:
        return ask
    ranges = (slice(0, scan.grid[0]), *ask.part)
    slices, rows, columns = (ranges[axis] for axis in axes)
    return Ask(range(slices.start, slices.stop), (rows, columns), (slices.start + slices.stop) // 2)


def _check(model: Model, scan: Scan, out: Maps) -> None:
    """Raise unless the three planes of a scan look alike to a network."""
    if model.description.network.dimensions == 3:
        raise BadInput("This network sees blocks of slices, not planes: switch three planes off.")
    if scan.folded or scan.depth == 1:
        raise BadInput(f'"{scan.name}" is not one volume: switch three planes off.')
    if max(scan.spacing) > MOST_UNEQUAL * min(scan.spacing):
        sides = " × ".join(f"{side:.3g}" for side in scan.spacing)
        raise BadInput(
            f'The voxels of "{scan.name}" are {sides} {scan.unit}: planes across its slices look different from those '
            "the model learned from. Switch three planes off."
        )
    if out.wants != LABELS_ONLY:
        raise BadInput("Planes vote with labels: keep no probabilities or uncertainty, or switch three planes off.")
