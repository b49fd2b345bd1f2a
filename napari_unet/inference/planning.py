"""Making ready to predict: what the networks see, on which grid, and where the result goes."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_unet.config import Flip, PredictConfig
from napari_unet.inference.emptiness import Emptiness
from napari_unet.inference.engine import Engine, is_out_of_memory, on_processor
from napari_unet.inference.glimpses import Glimpses
from napari_unet.inference.maps import Maps
from napari_unet.inference.matching import Match
from napari_unet.inference.reading import Reading, Reads
from napari_unet.inference.regridding import Axis, BroughtBack, Grid, Regridded
from napari_unet.inference.sharing import Sharing
from napari_unet.inference.todo import Todo
from napari_unet.inference.work import GPU_TOO_SMALL, Keeps, Straight, Work
from napari_unet.model_file import Model
from napari_unet.networks.device import all_like
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan

Part = tuple[slice, slice]
"""Rows and columns of a slice."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Of what the result is wanted.

    Parameters
    ----------
    slices
        Slices of the scan.
    part
        Rows and columns of them.
    look_at
        The slice to begin with.
    """

    slices: Sequence[int]
    part: Part
    look_at: int


def prepared(
    models: Sequence[Model],
    scan: Scan,
    config: PredictConfig,
    matched: Match,
    normalisation: tuple[Normalisation, ...],
    out: Maps,
    ask: Ask,
) -> Work:
    """Make ready to predict a scan.

    Parameters
    ----------
    models
        As for :func:`napari_unet.inference.prediction.predict_job`.
    scan, config
        The scan, and where and how to compute.
    matched
        How the two go together.
    normalisation
        Of each channel of the scan.
    out
        Where to write, on the scan's own grid.
    ask
        Of what the result is wanted.

    Raises
    ------
    UnetError
        As :class:`napari_unet.inference.engine.Engine`.
    """
    reading: Reads = Reading(scan, matched.channels, normalisation, models[0].description.network.context)
    engines, about = _load(models, config)
    grid = _grid(scan, matched, ask.part, engines.first)
    if grid is None:
        keeps: Keeps = Straight(out)
        todo = Todo(ask.slices, ask.look_at, lambda z: z)
    else:
        reading = Regridded(reading, grid)
        keeps = back = BroughtBack(out, grid, ask.slices)
        todo = Todo(back.wanted, ask.look_at, lambda z: min(grid.needed(z, between=False)))
    to_say = (*matched.notes, *about_views(models, config.views), *about)
    described = [model.description for model in models]
    known = [normalisation[c] for c in matched.channels]
    empty = Emptiness.of(described, known, described[0].network.context) if config.skip_empty else None
    return Work(scan.name, reading, engines, todo, keeps, Glimpses(grid), out.wants, to_say, empty)


def about_views(models: Sequence[Model], views: int) -> tuple[str, ...]:
    """Warn of views that a model never learned from."""
    needed = {1: Flip, 2: (Flip.SIDEWAYS, Flip.ALL)}.get(views, (Flip.ALL,))
    if all(model.description.training.augment.flip in needed for model in models):
        return ()
    return (
        "The model did not learn from mirrored pictures, so views of them may confuse sides such as left and right: "
        "set views to 1, or train with flip.",
    )


def _grid(scan: Scan, matched: Match, part: Part, engine: Engine) -> Grid | None:
    """Give the grid of the networks, or None where it is the scan's own."""
    volume = (scan.depth, *scan.grid[1:])
    everything = tuple(slice(0, size) for size in volume)
    if matched.finer == (1.0, 1.0, 1.0) and part == everything[1:]:
        return None
    along = zip(volume, (everything[0], *part), matched.finer, engine.stride, engine.reach, strict=True)
    z, y, x = (Axis.over(*axis) for axis in along)
    return Grid((z, y, x), scan.grid[0] // scan.depth, part)


def _load(models: Sequence[Model], config: PredictConfig) -> tuple[Sharing, tuple[str, ...]]:
    """Load the models, on the processor when a GPU has no room even for the weights, and what to say about it."""
    try:
        first = Engine(models, config)
        # What is left out at random is the same each time on one device only.
        others = () if config.dropout_samples else all_like(first.compute.device)[1:]
        return Sharing([first, *(Engine(models, config, device) for device in others)]), ()
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    return Sharing([Engine(models, on_processor(config))]), (GPU_TOO_SMALL,)
