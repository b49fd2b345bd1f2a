"""A network while it learns: one step, one measurement, one look at a slice."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil, cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet.config import Optimizer, Schedule, TrainConfig
from napari_unet.errors import OutOfMemory
from napari_unet.networks import Compute, build, channels_last, weights_of
from napari_unet.normalisation import Normalisation, normalise
from napari_unet.scan import Scan
from napari_unet.training.augmentation import UNCHANGED, Windows, varied
from napari_unet.training.losses import loss_of
from napari_unet.training.material import Material
from napari_unet.training.metrics import Confusion
from napari_unet.training.sampling import PatchSize, Place, Sampler

MEASURED_BATCHES = 8
"""Batches of held-out patches a measurement uses at most."""
STEPS_PER_MEASURED_BATCH = 4
"""Steps between measurements for each batch measured: a batch without gradients costs a third of a step."""
WARM_UP = 0.05
"""Share of a cosine schedule in which the learning rate rises."""
PREVIEW_SIDE = 512
"""Rows and columns a preview is computed in at once."""


@dataclass(frozen=True, eq=False)
class Score:
    """A model and how good it is."""

    step: int
    weights: dict[str, NDArray[np.float32]]
    loss: float | None = None
    dice: float | None = None
    dice_per_class: dict[int, float] = field(default_factory=dict)


def ran_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch meant that memory ran out; on a processor it has no error type of its own for it."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in text or "out of memory" in text


class Learner:
    """A network, its optimiser, and what it learns from.

    Parameters
    ----------
    material
        What it learns from and is measured on.
    config
        Every choice.
    compute
        Where and in which number format.
    """

    def __init__(self, material: Material, config: TrainConfig, compute: Compute) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.compute = compute
        self.labels = material.labels
        channels, classes = material.learned[0].image.shape[0], len(material.labels)
        self.network = build(config.network, channels, classes).to(compute.device)
        channels_last(self.network)
        self.optimizer = self._optimizer()
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, mode="max", patience=config.plateau_patience
        )
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype is torch.float16)
        self.random = torch.Generator(compute.device).manual_seed(config.seed)
        self.sampler = Sampler(material.learned, classes, np.random.default_rng(config.seed))
        self.size = PatchSize.fitting(material.learned, config.patch, config.patch_depth, self.network.stride)
        self.batch = config.batch
        self.measured: list[list[Place]] = []
        if material.held_out:
            self.held_out = Sampler(material.held_out, classes, np.random.default_rng(config.seed))
            places = self.held_out.cover(self.size, MEASURED_BATCHES * self.batch)
            self.measured = [places[i : i + self.batch] for i in range(0, len(places), self.batch)]

    def _optimizer(self) -> torch.optim.Optimizer:
        config = self.config
        kind = torch.optim.AdamW if config.optimizer is Optimizer.ADAMW else torch.optim.Adam
        return kind(self.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)

    @property
    def learning_rate(self) -> float:
        """Of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def round_steps(self) -> int:
        """Steps a round must have for measuring to stay under a tenth of the time."""
        return STEPS_PER_MEASURED_BATCH * len(self.measured)

    def step(self, fraction: float) -> float | None:
        """Learn from one batch; give its loss, or None when memory ran out (see :meth:`shrink`).

        Parameters
        ----------
        fraction
            0..1, how far the training is: what the cosine schedule goes by.
        """
        if self.config.schedule is Schedule.COSINE:
            warm = min(1.0, (fraction + 0.002) / WARM_UP)
            for group in self.optimizer.param_groups:
                group["lr"] = self.config.learning_rate * warm * 0.5 * (1 + cos(pi * fraction))
        try:
            return self._step()
        except RuntimeError as error:
            if not ran_out_of_memory(error):
                raise
            return None

    def _step(self) -> float:
        self.network.train()
        windows = self.sampler.cut(self.sampler.draw(self.batch, self.size), self.size)
        images, targets = self._patches(windows, learning=True)
        with self.compute.autocast():
            logits = self._logits(images)
        loss = loss_of(logits, targets, self.config.loss)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if np.isfinite(value):
            self.scaler.step(self.optimizer)
            self.scaler.update()
        return value

    def _patches(self, windows: Windows, *, learning: bool = False) -> tuple[Tensor, Tensor]:
        side = (self.size.height, self.size.width)
        return varied(windows, side, self.config.augment if learning else UNCHANGED, self.random)

    def _logits(self, images: Tensor) -> Tensor:
        """Give (N, classes, Z, Y, X) logits of (N, channels, Z, Y, X) images, also through a 2-D network."""
        flat = self.network.dimensions == 2
        layout = torch.channels_last if flat else torch.channels_last_3d
        images = (images.squeeze(2) if flat else images).contiguous(memory_format=layout)
        logits: Tensor = self.network(images)
        return logits.unsqueeze(2) if flat else logits

    def shrink(self) -> str:
        """Make the next batch smaller after memory ran out; say so in a sentence.

        Raises
        ------
        OutOfMemory
            It cannot be made smaller.
        """
        self.optimizer.zero_grad(set_to_none=True)
        if self.compute.device.type == "cuda":
            torch.cuda.empty_cache()
        if self.batch > 1:
            self.batch //= 2
            return f"Memory ran out: going on with {self.batch} patches a step."
        smaller = self.size.smaller(self.network.stride)
        if smaller is None:
            raise OutOfMemory("The network does not fit into the memory: choose a smaller width or depth.")
        self.size = smaller
        return f"Memory ran out: going on with patches of {smaller.height} x {smaller.width} voxels."

    @contextmanager
    def _judging(self) -> Iterator[None]:
        """Use the network as it will be used: running statistics, no gradients."""
        self.network.eval()
        with torch.inference_mode(), self.compute.autocast():
            yield
        self.network.train()

    def score(self, step: int, *, measured: bool = True) -> Score:
        """Copy the weights and measure them on held-out paint, where there is any."""
        weights = weights_of(self.network)
        if not self.measured or not measured:
            return Score(step, weights)
        confusion = Confusion(self.labels, self.compute.device)
        losses = []
        with self._judging():
            for places in self.measured:
                images, targets = self._patches(self.held_out.cut(places, self.size))
                logits = self._logits(images)
                confusion.add(logits, targets)
                losses.append(float(loss_of(logits, targets, self.config.loss)))
        dice = confusion.dice()
        return Score(step, weights, float(np.mean(losses)), float(np.mean(list(dice.values()))), dice)

    def round_done(self, score: Score) -> None:
        """Lower the learning rate of a plateau schedule when rounds no longer help."""
        if self.config.schedule is Schedule.PLATEAU and score.dice is not None:
            self.plateau.step(score.dice)

    def look(self, scan: Scan, normalisation: tuple[Normalisation, ...], z: int) -> NDArray[np.uint8]:
        """Give the labels, (Y, X) uint8, that the model at hand sees on slice ``z`` of a scan.

        A quick look: large slices are computed in pieces that do not overlap.
        """
        volume = next(v for v in scan.volumes() if v.start <= z < v.stop)
        depth = self.size.depth
        first = max(volume.start, min(z - depth // 2, volume.stop - depth))
        images = torch.from_numpy(normalise(scan, normalisation, slice(first, min(first + depth, volume.stop))))
        rows, columns = scan.grid[1:]
        labels = np.zeros((rows, columns), np.uint8)
        label_of = np.array(self.labels, np.uint8)
        with self._judging():
            for i in range(ceil(rows / PREVIEW_SIDE)):
                for j in range(ceil(columns / PREVIEW_SIDE)):
                    piece = np.s_[i * PREVIEW_SIDE : (i + 1) * PREVIEW_SIDE, j * PREVIEW_SIDE : (j + 1) * PREVIEW_SIDE]
                    logits = self._logits(images[(..., *piece)][None].to(self.compute.device))
                    labels[piece] = label_of[logits[0, :, z - first].argmax(0).cpu().numpy()]
        return labels
