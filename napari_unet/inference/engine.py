"""A trained network, ready to compute: loaded, folded and laid out for the device at hand."""

from typing import Any, TypeAlias

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from napari_unet.config import Device, Precision, PredictConfig
from napari_unet.inference.tiling import ZYX, Box, Cut, core_within, most_seen
from napari_unet.model_file import Model
from napari_unet.networks import build, choose, fold_batch_norm, load_weights

MEMORY_SHARE = 0.6
"""What one pass may take of the free memory; convolutions need room to work in."""
MOST_CPU_BYTES = 6e9
"""More than this makes nothing faster on a processor, and a pass so long that nobody waits for its end."""
BATCH_VOXELS = 512 * 512
"""A pass over this many voxels keeps a GPU busy; more slices side by side gain nothing."""
MOST_BATCH = 16
MOST_ELEMENTS = 2**31 - 1
"""GPU libraries count the elements of a tensor in 32 bits."""

Result: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.float16] | None]
"""Labels (N, Z, Y, X), and probabilities (N, classes, Z, Y, X) where they were asked for."""


class Engine:
    """A trained network on the device where it computes.

    Parameters
    ----------
    model
        The trained model.
    config
        Where and how to compute.

    Raises
    ------
    BadModelFile
        The weights do not belong to the network that the model describes.
    BadInput
        The device asked for is not there, or the depth.
    """

    def __init__(self, model: Model, config: PredictConfig) -> None:
        self.model = model
        self.config = config
        self.compute = choose(config)
        labels = model.description.labels
        with torch.device("meta"):
            network = build(model.description.network, len(model.description.channel_names), len(labels))
        load_weights(network, model.weights)
        if config.depth:
            network.prune(config.depth)
        self._stride, self._features, self._local = network.stride, network.features_at_once, network.local
        # Windows that are blended have none within a slice: they overlap by more.
        self._halo = network.halo if network.local else (network.halo[0], 0, 0)
        self._module: Any = fold_batch_norm(network).to(self.compute.device, self.compute.dtype)
        self._label_of = torch.tensor(labels, dtype=torch.uint8, device=self.compute.device)

    @property
    def on_gpu(self) -> bool:
        """Whether it computes elsewhere than on the processor."""
        return self.compute.device.type != "cpu"

    @property
    def flat(self) -> bool:
        """Whether the network sees single slices."""
        return self.model.description.network.dimensions == 2

    def cut(self, volume: ZYX) -> Cut:
        """Choose how to cut volumes of so many voxels, (Z, Y, X): as configured, else by the memory at hand.

        A network that depends on all it sees looks through windows as large as those it learned from: on more than
        that, its normalisation finds other means than it was trained with.
        """
        tile = self.config.tile
        if self.flat:
            volume = (1, *volume[1:])
        stride, halo = self._stride, self._halo
        z, y, x = volume
        core = (min(tile, z), min(tile, y), min(tile, x)) if tile else core_within(self._room(), volume, stride, halo)
        if not self._local:
            learned = self.model.description.training.patch
            core = (core[0], min(learned, core[1]), min(learned, core[2]))
        batch = 1
        if self.on_gpu and self.flat:
            batch = min(MOST_BATCH, max(1, BATCH_VOXELS // most_seen(volume, core, stride, halo)))
        return Cut(volume, core, stride, halo, batch, overlapping=not self._local)

    def _room(self) -> float:
        """Give how many voxels one pass may see."""
        device, labels = self.compute.device, len(self.model.description.labels)
        voxel = self._features * self.compute.dtype.itemsize + 8 * labels
        if device.type == "cuda":
            room = MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
        else:
            room = min(MOST_CPU_BYTES, MEMORY_SHARE * psutil.virtual_memory().available)
        return min(room / voxel, MOST_ELEMENTS / max(self._features / 3, labels))

    def __call__(self, seen: NDArray[np.float32], core: Box, *, probabilities: bool = False) -> Result:
        """Predict tiles.

        Parameters
        ----------
        seen
            (N, C, Z, Y, X) normalised intensities; Z is 1 for a 2-D network.
        core
            Of what part of (Z, Y, X) the result is wanted.
        probabilities
            Whether the softmax of the classes is wanted too.
        """
        logits = self.logits(seen)[(..., *core)]
        # The choice is made on the device: one byte a voxel travels instead of a float for each class.
        labels = self._label_of[logits.argmax(dim=1)].numpy(force=True)
        if not probabilities:
            return labels, None
        return labels, logits.softmax(dim=1, dtype=torch.float32).half().numpy(force=True)

    @torch.inference_mode()
    def logits(self, seen: NDArray[np.float32]) -> torch.Tensor:
        """Give the logits (N, classes, Z, Y, X), on the device, of ``seen`` as in a call."""
        if self._module is None:
            raise ValueError("this engine was closed")
        x = torch.from_numpy(seen[:, :, 0] if self.flat else seen)
        layout = torch.channels_last if self.flat else torch.channels_last_3d
        logits: torch.Tensor = self._module(x.to(self.compute.device, self.compute.dtype, memory_format=layout))
        return logits.unsqueeze(2) if self.flat else logits

    def free(self) -> None:
        """Give back memory that torch keeps for later."""
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.compute.device.type == "mps":
            torch.mps.empty_cache()

    def close(self) -> None:
        """Give back all memory; it computes no more."""
        self._module = None
        self.free()


def on_processor(config: PredictConfig) -> PredictConfig:
    """Give the same choices for when a GPU's memory does not suffice."""
    return config.model_copy(update={"device": Device.CPU, "precision": Precision.AUTO})


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception means too little memory; the processor and libraries below torch have their own."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return any(sign in text for sign in ("out of memory", "can't allocate memory", "ALLOC_FAILED"))
