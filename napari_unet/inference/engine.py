"""Trained networks, ready to compute: loaded, folded and laid out for the device at hand."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from threading import Lock
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from napari_unet.config import Device, Precision, PredictConfig
from napari_unet.errors import BadInput
from napari_unet.inference.compiling import Compiled, pays
from napari_unet.inference.glimpses import Glimpse, glimpse
from napari_unet.inference.maps import LABELS_ONLY, Decision, Maps, Wanted
from napari_unet.inference.tiling import ZYX, Box, Cut, affordable, most_seen
from napari_unet.inference.views import VIEWS
from napari_unet.model_file import Model
from napari_unet.networks import (
    Network,
    build,
    channels_last,
    choose,
    fold_batch_norm,
    load_weights,
    pad_to_multiple,
)
from napari_unet.networks.pace import Pace

MEMORY_SHARE = 0.6
"""What one pass may take of the free memory; convolutions need room to work in."""
MOST_CPU_BYTES = 1e9
"""More than this makes nothing faster on a processor, and a pass so long that nobody waits for its end."""
MOST_BLENDED_BYTES = 2.5e8
"""What the sums of windows that overlap may take."""
BATCH_VOXELS = 512 * 512
"""A pass over this many voxels keeps a GPU busy; more slices side by side gain nothing."""
MOST_BATCH = 16
MOST_ELEMENTS = 2**31 - 1
"""GPU libraries count the elements of a tensor in 32 bits."""


class Engine:
    """Trained networks on the device where they compute.

    What it says is the mean of all it is asked for: of several models, of mirrored and turned views of the picture,
    and, for networks trained with dropout, of predictions with features left out at random (Gal and Ghahramani 2016,
    doi:10.48550/arXiv.1506.02142).

    Parameters
    ----------
    models
        One trained model, or several of the same channels and classes: see
        :func:`napari_unet.inference.matching.check_ensemble`.
    config
        Where and how to compute.
    device
        The device, where there are several such as ``config`` asks for.

    Raises
    ------
    BadModelFile
        The weights do not belong to the network that the model describes.
    BadInput
        The device asked for is not there, or the depth, or no network was trained with the dropout asked for.
    """

    def __init__(self, models: Sequence[Model], config: PredictConfig, device: torch.device | None = None) -> None:
        self.models = tuple(models)
        self.description = models[0].description
        self.config = config
        self.compute = choose(config)
        if device is not None:
            self.compute = replace(self.compute, device=device)
        self._busy = Lock()
        on_cuda = self.compute.device.type == "cuda"
        self._copies = torch.cuda.Stream(self.compute.device) if on_cuda else None  # type: ignore[no-untyped-call]
        networks = [_loaded(model, config) for model in models]
        strides, halos = zip(*((network.stride, network.halo) for network in networks), strict=True)
        self.stride: ZYX = tuple(map(max, zip(*strides, strict=True)))
        self.reach: ZYX = tuple(map(max, zip(*halos, strict=True)))
        self._features = max(network.features_at_once for network in networks)
        self._local = all(network.local for network in networks)
        # Windows that are blended have none within a slice: they overlap by more.
        self._halo = self.reach if self._local else (self.reach[0], 0, 0)
        self._modules: list[Any] = [
            channels_last(fold_batch_norm(network).to(self.compute.device, self.compute.dtype)) for network in networks
        ]
        self._modules[0].down[-1].register_forward_hook(self._note_lowest)
        on_processor = self.compute.device.type == "cpu"
        self._pace = Pace(self.compute.threads, fixed=bool(config.threads) or not on_processor)
        self._shapes: Counter[torch.Size] = Counter()
        self._long = False
        self._repeats = 1
        if config.dropout_samples:
            self._leave_out_at_random()
        thresholds = self.description.thresholds | dict(config.thresholds)
        self.decision = Decision(self.description.labels, thresholds, self.compute.device)

    def _leave_out_at_random(self) -> None:
        dropping = [module for module in self._modules if module.config.dropout]
        if not dropping:
            raise BadInput("This model was trained without dropout: set the dropout samples to 0.")
        for module in dropping:
            module.dropout.train()
        self._repeats = self.config.dropout_samples
        torch.manual_seed(0)  # the same doubt each time

    def expect(self, left: float) -> None:
        """Hear how many seconds of work are left: before long ones, what it computes most often is compiled."""
        self._long = self.asked == 1 and pays(self.compute.device.type, left)

    @property
    def classes(self) -> int:
        """How many classes there are, background included."""
        return len(self.description.labels)

    @property
    def asked(self) -> int:
        """How often the voxels pass a network."""
        return len(self._modules) * self.config.views * self._repeats

    @property
    def on_gpu(self) -> bool:
        """Whether it computes elsewhere than on the processor."""
        return self.compute.device.type != "cpu"

    @property
    def flat(self) -> bool:
        """Whether the network sees single slices."""
        return self.description.network.dimensions == 2

    def cut(self, volume: ZYX) -> Cut:
        """Choose how to cut volumes of so many voxels, (Z, Y, X): as configured, else by the memory at hand.

        A network that depends on all it sees looks through windows as large as those it learned from: on more than
        that, its normalisation finds other means than it was trained with.
        """
        tile = self.config.tile
        if self.flat:
            volume = (1, *volume[1:])
        stride, halo = self.stride, self._halo
        z, y, x = volume
        if tile:
            core = (min(tile, z), min(tile, y), min(tile, x))
        else:
            core, halo = affordable(self._room(), volume, stride, halo)
        if not self._local:
            learned = min(model.description.training.patch for model in self.models)
            deep = max(stride[0], int(MOST_BLENDED_BYTES / (4 * self.classes * y * x)))
            core = (min(deep, core[0]), min(learned, core[1]), min(learned, core[2]))
        batch = 1
        if self.on_gpu and self.flat:
            batch = min(MOST_BATCH, max(1, BATCH_VOXELS // most_seen(volume, core, stride, halo)))
        return Cut(volume, core, stride, halo, batch, overlapping=not self._local)

    def _room(self) -> float:
        """Give how many voxels one pass may see."""
        device, labels = self.compute.device, len(self.description.labels)
        voxel = self._features * self.compute.dtype.itemsize + 8 * labels
        if device.type == "cuda":
            room = MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
        else:
            room = min(MOST_CPU_BYTES, MEMORY_SHARE * psutil.virtual_memory().available)
        return min(room / voxel, MOST_ELEMENTS / max(self._features / 3, labels))

    def _note_lowest(self, module: Any, given: Any, features: torch.Tensor) -> None:
        """Note what a network makes of all that it sees, at its lowest level (torch calls this)."""
        self._lowest = features

    def __call__(self, seen: NDArray[np.float32], core: Box, wanted: Wanted = LABELS_ONLY) -> tuple[Maps, Glimpse]:
        """Predict tiles; called in several threads, it copies for one while it computes for another.

        Parameters
        ----------
        seen
            (N, C, Z, Y, X) normalised intensities; Z is 1 for a 2-D network.
        core
            Of what part of (Z, Y, X) the result is wanted.
        wanted
            What is wanted besides labels.

        Returns
        -------
        tuple
            Maps of the core, with an axis N in front, and what else was seen of it in passing.
        """
        x = self._copied(seen)
        with self._busy:
            maps, scores = self._said(x, core, wanted)
            lowest = self._lowest
        return maps, glimpse(scores, maps.labels, lowest, core, seen.shape[2])

    def _said(self, x: torch.Tensor, core: Box, wanted: Wanted) -> tuple[Maps, torch.Tensor]:
        """Give the maps of the core of what is seen, and logits or logarithms of probabilities."""
        if self.asked == 1 and wanted == LABELS_ONLY and not self.decision.needs_probabilities:
            # One byte a voxel leaves the device instead of a float for each class.
            scores = next(self._opinions(x))[(..., *core)]
            return Maps(self.decision.labels(scores).numpy(force=True)), scores
        mean: Any = 0
        for logits in self._opinions(x):
            mean = mean + logits[(..., *core)].softmax(dim=1, dtype=torch.float32) / self.asked
        return self.decision.maps(mean, wanted), mean.log()

    def logits(self, seen: NDArray[np.float32]) -> torch.Tensor:
        """Give the logits (N, classes, Z, Y, X), on the device, of the first opinion on ``seen`` (as in a call)."""
        return next(self._opinions(self._copied(seen)))

    @property
    def _layout(self) -> torch.memory_format:
        return torch.channels_last if self.flat else torch.channels_last_3d

    def _copied(self, seen: NDArray[np.float32]) -> torch.Tensor:
        """Copy what is seen to the device; CUDA goes on meanwhile with what it computes for other threads."""
        x = torch.from_numpy(seen[:, :, 0] if self.flat else seen)
        if self._copies is None:
            return x.to(self.compute.device, memory_format=self._layout)
        with torch.cuda.stream(self._copies):
            x = x.contiguous(memory_format=self._layout).pin_memory().to(self.compute.device, non_blocking=True)
        x.record_stream(torch.cuda.current_stream(self.compute.device))
        self._copies.synchronize()
        return x

    @torch.inference_mode()
    def _opinions(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """Give the logits of each model, view and dropout sample; the network rounds what it need not see exactly."""
        if not self._modules:
            raise ValueError("this engine was closed")
        sides = [slice(side) for side in x.shape[2:]]
        self._shapes[x.shape] += 1
        if self._long and x.shape == self._shapes.most_common(1)[0][0] and not isinstance(self._modules[0], Compiled):
            self._modules[0] = Compiled(self._modules[0], x)
        for module, view, _ in product(self._modules, VIEWS[: self.config.views], range(self._repeats)):
            with self._pace.kept(x.numel()):
                if view.plain:
                    logits = module(x)
                else:
                    # Padded before it is turned, so that pooling pairs the same voxels in every tile.
                    turned = view.of(pad_to_multiple(x, self.stride[-x.ndim + 2 :]))
                    logits = view.undone(module(turned.contiguous(memory_format=self._layout)))[:, :, *sides]
            yield logits.unsqueeze(2) if self.flat else logits

    def free(self) -> None:
        """Give back memory that torch keeps for later."""
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.compute.device.type == "mps":
            torch.mps.empty_cache()

    def close(self) -> None:
        """Give back all memory; it computes no more."""
        self._modules = []
        self.free()


def _loaded(model: Model, config: PredictConfig) -> Network:
    description = model.description
    with torch.device("meta"):
        network = build(description.network, len(description.channel_names), len(description.labels))
    load_weights(network, model.weights)
    if config.depth:
        network.prune(config.depth)
    return network


def on_processor(config: PredictConfig) -> PredictConfig:
    """Give the same choices for when a GPU's memory does not suffice."""
    return config.model_copy(update={"device": Device.CPU, "precision": Precision.AUTO})


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception means too little memory; the processor and libraries below torch have their own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return any(sign in text for sign in ("out of memory", "can't allocate memory", "ALLOC_FAILED"))
