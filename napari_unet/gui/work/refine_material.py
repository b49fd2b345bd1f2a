"""What a refinement works on: the layers that were chosen, and their voxels on the way to another process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_unet.annotation import as_mask, as_paint
from napari_unet.config import RefineConfig
from napari_unet.gui.layers.scans import METADATA, PROBABILITIES, classes_of, scan_of, voxels_of
from napari_unet.normalisation import Normalisation, measure
from napari_unet.runner import Exchange, RefineRequest, SharedArray, SuggestRequest


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to refine, and what there is to look at.

    Parameters
    ----------
    mask
        The layer to refine.
    config
        The steps.
    paint
        A layer on the same scan, whose painted voxels keep what the mask has there; what suggestions are told by.
    images
        The scan, for steps that look at it: one layer, or several whose data become its channels.
    region
        Another mask on the same scan, for steps that look at it.
    """

    mask: Labels
    config: RefineConfig
    paint: Labels | None = None
    images: tuple[Image, ...] = ()
    region: Labels | None = None


class Material:
    """The voxels of what was chosen: noted in the window's thread, copied in another.

    Parameters
    ----------
    chosen
        What was chosen.

    Raises
    ------
    BadInput
        The mask or the scan is none.
    """

    def __init__(self, chosen: Chosen) -> None:
        mask, self.config = chosen.mask, chosen.config
        looks_at = chosen.config.looks_at
        self.name = mask.name
        self.scan = scan_of(mask)
        self.voxels = voxels_of(mask)
        self.classes = classes_of(mask)
        self.spacing = self.scan.spacing_in_mm
        self._paint = None if chosen.paint is None else voxels_of(chosen.paint)
        self._scans = [scan_of(image) for image in chosen.images] if "scan" in looks_at else []
        self._region = voxels_of(chosen.region) if chosen.region is not None and "region" in looks_at else None
        known = mask.metadata.get(METADATA, {}).get(PROBABILITIES)
        self._known = known if "probabilities" in looks_at else None

    def measure(self) -> tuple[Normalisation, ...]:
        """Measure the range of each channel of the scan."""
        return tuple(channel for scan in self._scans for channel in measure(scan))

    def request(
        self,
        exchange: Exchange,
        lend: Callable[[SharedArray], SharedArray],
        slab: slice,
        z: int | None = None,
        measured: tuple[Normalisation, ...] = (),
    ) -> RefineRequest:
        """Copy some slices, to refine all of them or one.

        Parameters
        ----------
        exchange
            Where to copy them to.
        lend
            Notes an array that is removed when the job is over.
        slab
            Which slices to copy.
        z
            The one to refine; all when None.
        measured
            The range of each channel, for one slice.
        """

        def put(array: Any) -> SharedArray:
            return lend(exchange.put(array))

        region = None if self._region is None else as_mask(self._folded(self._region, slab), "the region")
        known = self._known
        return RefineRequest(
            mask=put(as_mask(self._folded(self.voxels, slab), f'"{self.name}"')),
            out=lend(exchange.empty((slab.stop - slab.start, *self.scan.grid[1:]), np.uint8)),
            config=self.config,
            spacing=self.spacing,
            depth=self.scan.depth if z is None else slab.stop - slab.start,
            protected=None if self._paint is None else put(self._folded(self._paint, slab) != 0),
            intensities=put(self._intensities(slab)) if self._scans else None,
            probabilities=None if known is None else (put(known[0][:, slab]), known[1]),
            region=None if region is None else put(region),
            measured=measured,
            geometry=self.scan.geometry,
            slices=None if z is None else (z - slab.start,),
        )

    def suggest_request(self, exchange: Exchange, lend: Callable[[SharedArray], SharedArray]) -> SuggestRequest:
        """Copy everything, to try refinements; see :meth:`request`."""

        def put(array: Any) -> SharedArray:
            return lend(exchange.put(array))

        whole = slice(0, self.scan.grid[0])
        known = self._known
        return SuggestRequest(
            mask=put(as_mask(self._folded(self.voxels, whole), f'"{self.name}"')),
            paint=put(as_paint(self._folded(self._paint, whole), "the paint")),
            spacing=self.spacing,
            depth=self.scan.depth,
            intensities=put(self._intensities(whole)),
            probabilities=None if known is None else (put(known[0]), known[1]),
        )

    def _folded(self, voxels: Any, slab: slice) -> NDArray[Any]:
        return np.asarray(self.scan.fold(voxels)[slab])

    def _intensities(self, slab: slice) -> Any:
        channels = [scan.array[:, slab] for scan in self._scans]
        return channels[0] if len(channels) == 1 else np.concatenate([np.asarray(channel) for channel in channels])
