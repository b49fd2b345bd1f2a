"""A network while it learns: one step, one measurement, one look at a slice.

Two networks are kept: one that learns, and the running average of its weights, which is the one that is measured,
shown and returned. The average is better and steadier: Polyak and Juditsky 1992, doi:10.1137/0330046.
"""

from collections.abc import Generator, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import product
from math import isfinite, nan
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_unet.annotation import ClassInfo
from napari_unet.config import Schedule, TrainConfig
from napari_unet.errors import OutOfMemory
from napari_unet.events import result_of
from napari_unet.networks import (
    Compute,
    Network,
    build,
    channels_last,
    freeze_statistics,
    load_weights,
    weights_of,
)
from napari_unet.networks.device import one_thread
from napari_unet.networks.filters import filtered
from napari_unet.normalisation import Normalisation, with_neighbours
from napari_unet.scan import Scan
from napari_unet.training.augmentation import UNCHANGED, Windows, varied
from napari_unet.training.evidence import Evidence
from napari_unet.training.first_look import PATCHES, Patience, lessons, teach
from napari_unet.training.losses import Criterion
from napari_unet.training.material import Material
from napari_unet.training.metrics import Confusion, Tally
from napari_unet.training.optimisation import clip, learning_rate, optimizer_of
from napari_unet.training.sampling import PatchSize, Place, Sampler
from napari_unet.training.start import HEAD
from napari_unet.training.teacher import disagreement

FIRST_LOOK = "a first look at the paint"
"""What it does before the first step, in words."""
MEASURED_BATCHES = 8
"""Batches of held-out patches a measurement uses at most."""
STEPS_PER_MEASURED_BATCH = 4
"""Steps between measurements for each batch measured: a batch without gradients costs a third of a step."""


@dataclass(frozen=True, eq=False)
class Score:
    """A model and how good it is; ``chance`` is the standard error of ``dice``."""

    step: int
    weights: dict[str, NDArray[np.float32]]
    loss: float | None = None
    dice: float | None = None
    dice_per_class: dict[int, float] = field(default_factory=dict)
    chance: float = 0.0


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
    weights
        To begin with, when a model goes on; ``config.hold`` then holds them near, in the way of AdamW's weight decay,
        and what batch normalisation measured before stays.
    whole
        Whether nothing is missing of what they learned from. Then the pixel classifier is taught anew of all there is:
        what it saw on a few slices would mislead the network on others.
    """

    def __init__(
        self,
        material: Material,
        config: TrainConfig,
        compute: Compute,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.compute = compute
        self.labels = material.labels
        channels, classes = len(material.normalisation), len(material.labels)
        self.channels = channels * (2 * config.network.context + 1)
        self.network = build(config.network, channels, classes)
        self.random = torch.Generator(compute.device).manual_seed(config.seed)
        self.sampler = Sampler(material.learned, classes, np.random.default_rng(config.seed))
        self.size = PatchSize.fitting(material.learned, config.patch, config.patch_depth, self.network.stride)
        self.batch = config.batch
        if weights is not None:
            load_weights(self.network, weights)
        self.begun_anew = weights is None
        self.untaught = self.network.pixels if whole or self.begun_anew else None
        """The pixel classifier, until :meth:`look_first` has taught it."""
        if self.network.pixels is not None:
            # What it sees stays: measured, it would learn the painted slices by heart. What it makes of that does not.
            self.network.pixels.hidden.requires_grad_(requires_grad=False)
        channels_last(self.network.to(compute.device))
        held = weights is not None and config.hold > 0
        if held:  # else it normalises by the few slices at hand, and forgets what all others are like
            freeze_statistics(self.network)
        self.held: list[Tensor] = [p for name, p in self.network.named_parameters() if held and HEAD not in name]
        self.origin = [parameter.detach().clone() for parameter in self.held]
        self.average = deepcopy(self.network).eval().requires_grad_(requires_grad=False)
        self.steps = 0
        self.optimizer = optimizer_of(config, self.network.parameters())
        self.criterion = Criterion(config, material.labels, material.voxels, compute.device)
        self.plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimizer, mode="max", patience=config.plateau_patience
        )
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype is torch.float16)
        self.held_out = (
            Sampler(material.held_out, classes, np.random.default_rng(config.seed)) if material.held_out else None
        )
        self.measured = self._measured()

    def look_first(self) -> Generator[None, None, None]:
        """Teach the pixel classifier, where that is to be done, voxels of patches such as the network will see.

        A network that begins is then what that finds, and learns what to add. It is taught on the processor. Left at a
        yield, nothing has happened.
        """
        if self.untaught is None:
            return
        patience = Patience(self.config)

        def patches() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
            for number in range(PATCHES):
                if number and patience.over(0.5):
                    return
                windows = self.sampler.cut(self.sampler.draw(1, self.size), self.size)
                images, targets = (part.cpu() for part in self._patches(windows, learning=True))
                images, opinion = images.tensor_split([self.channels], dim=1)
                flat = images.squeeze(2) if self.network.dimensions == 2 else images
                yield filtered(flat).reshape(1, -1, *images.shape[2:]), targets, opinion

        random = torch.Generator().manual_seed(self.config.seed)
        pixels = deepcopy(self.untaught).cpu().requires_grad_()
        with one_thread():  # what is this small takes longer on several
            bias = yield from teach(pixels, (yield from lessons(patches(), len(self.labels), random)), patience, random)
        self.untaught.load_state_dict(pixels.state_dict())
        if self.begun_anew:
            with torch.no_grad():
                for head in (self.network.head, *self.network.heads):
                    head.get_parameter("weight").zero_()
                    head.get_parameter("bias").copy_(bias)
        self.average.load_state_dict(self.network.state_dict())
        self.untaught = None

    def show(self, material: Material) -> None:
        """Go on with other material, of the same classes; the pixel classifier learns on with it."""
        self.sampler = Sampler(material.learned, len(self.labels), self.sampler.random)
        if self.network.pixels is not None:
            self.network.pixels.hidden.requires_grad_()

    def state(self) -> dict[str, Any]:
        """Give all that another learner of the same material needs to go on exactly as this one would."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": self.random.get_state(),
            "dropout": torch.get_rng_state(),
            "sampler": self.sampler.random.bit_generator.state,
            "origin": self.origin,
            "steps": self.steps,
            "batch": self.batch,
            "size": self.size.shape,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where the learner was whose :meth:`state` this is."""
        for name in ("network", "average", "optimizer", "plateau", "scaler"):
            getattr(self, name).load_state_dict(state[name])
        self.random.set_state(state["random"])
        torch.set_rng_state(state["dropout"])
        self.sampler.random.bit_generator.state = state["sampler"]
        self.origin = [origin.to(self.compute.device) for origin in state["origin"]]
        self.steps, self.batch, self.size = state["steps"], state["batch"], PatchSize(*state["size"])
        self.measured = self._measured()
        self.untaught = None

    def _measured(self) -> list[list[Place]]:
        """Batches of places that show the held-out paint."""
        if self.held_out is None:
            return []
        places = self.held_out.cover(self.size, MEASURED_BATCHES * self.batch)
        return [places[i : i + self.batch] for i in range(0, len(places), self.batch)]

    @property
    def learning_rate(self) -> float:
        """Of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def round_steps(self) -> int:
        """Steps a round must have for measuring to stay under a tenth of the time."""
        return STEPS_PER_MEASURED_BATCH * len(self.measured)

    def step(self, fraction: float) -> float | None:
        """Learn from one batch, see :meth:`step_in_parts`."""
        return result_of(self.step_in_parts(fraction))

    def step_in_parts(self, fraction: float) -> Generator[None, None, float | None]:
        """Learn from one batch; give its loss, or None when memory ran out (see :meth:`shrink`).

        Left at the yield in its middle, nothing has happened. A loss or a gradient that is not finite leaves the
        weights as they are, and a loss that is not finite is given.

        Parameters
        ----------
        fraction
            0..1, how far the training is: what most schedules go by.
        """
        rate = learning_rate(self.config, fraction)
        if rate is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        try:
            return (yield from self._step())
        except RuntimeError as error:
            if not ran_out_of_memory(error):
                raise
            return None

    def _step(self) -> Generator[None, None, float]:
        windows = self.sampler.cut(self.sampler.draw(self.batch, self.size), self.size)
        images, targets = self._patches(windows, learning=True)
        images, opinion = images.tensor_split([self.channels], dim=1)
        with self.compute.autocast():
            by_scale = zip(self.network.supervision, self._logits(self.network, images), strict=True)
        loss = torch.stack([weight * self._loss(logits, targets, opinion) for weight, logits in by_scale]).sum()
        yield
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        if not isfinite(value):
            return value
        self.scaler.unscale_(self.optimizer)
        norm = clip(self.network.parameters(), self.config.gradient_clipping)
        if not isfinite(norm) and not self.scaler.is_enabled():  # which leaves such a step out, and goes on
            return nan
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.held:
            with torch.no_grad():
                torch._foreach_lerp_(self.held, self.origin, min(1.0, self.learning_rate * self.config.hold))
        self._follow()
        return value

    def _loss(self, logits: Tensor, targets: Tensor, opinion: Tensor) -> Tensor:
        loss = self.criterion(logits, targets)
        return loss + self.config.teacher * disagreement(logits, opinion, targets) if opinion.shape[1] else loss

    def _follow(self) -> None:
        """Let the averaged network follow the one that learns, closely in the first steps."""
        self.steps += 1
        keep = min(self.config.averaging, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for mean, new in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
                if mean.is_floating_point():
                    mean.lerp_(new, 1 - keep)

    def _patches(self, windows: Windows, *, learning: bool = False) -> tuple[Tensor, Tensor]:
        return varied(windows, self.size.shape, self.config.augment if learning else UNCHANGED, self.random)

    @staticmethod
    def _logits(network: Network, images: Tensor) -> list[Tensor]:
        """Give (N, classes, Z, Y, X) logits of (N, channels, Z, Y, X) images, also through a 2-D network.

        The first are the result; while it learns, those of coarser scales follow.
        """
        flat = network.dimensions == 2
        layout = torch.channels_last if flat else torch.channels_last_3d
        images = (images.squeeze(2) if flat else images).contiguous(memory_format=layout)
        by_scale = network.all_logits(images) if network.training else [network(images)]
        return [logits.unsqueeze(2) if flat else logits for logits in by_scale]

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
            what = f"{self.batch} patch{'es' * (self.batch != 1)} a step"
        else:
            smaller = self.size.smaller(self.network.stride)
            if smaller is None:
                raise OutOfMemory("The network does not fit into the memory: choose a smaller width or depth.")
            self.size = smaller
            what = f"patches of {smaller.height} x {smaller.width} voxels"
        self.measured = self._measured()
        return f"Memory ran out: going on with {what}."

    def score(self, step: int, *, measured: bool = True) -> Score:
        """Copy the weights and measure them on held-out paint, where there is any."""
        weights = weights_of(self.average)
        if self.held_out is None or not measured:
            return Score(step, weights)
        confusion = Confusion(self.labels, self.compute.device)
        losses = []
        with torch.inference_mode(), self.compute.autocast():
            for places in self.measured:
                images, targets = self._patches(self.held_out.cut(places, self.size))
                logits = self._logits(self.average, images)[0]
                confusion.add(logits, targets)
                losses.append(float(self.criterion(logits, targets)))
        dice = confusion.dice()
        if not dice:
            return Score(step, weights, float(np.mean(losses)))
        return Score(
            step, weights, float(np.mean(losses)), float(np.mean(list(dice.values()))), dice, confusion.chance()
        )

    def evidence(self, score: Score, classes: tuple[ClassInfo, ...]) -> Evidence | None:
        """Look closely at what a model makes of the held-out paint; None when there is none."""
        if self.held_out is None:
            return None
        load_weights(self.average, score.weights)
        tally = Tally(self.labels, self.compute.device)
        with torch.inference_mode(), self.compute.autocast():
            for places in self.measured:
                images, targets = self._patches(self.held_out.cut(places, self.size))
                tally.add(images, self._logits(self.average, images)[0], targets)
        return tally.evidence(classes)

    def round_done(self, score: Score, train_loss: float) -> None:
        """Lower the learning rate of a plateau schedule when rounds no longer help."""
        if self.config.schedule is Schedule.PLATEAU:
            self.plateau.step(-train_loss if score.dice is None else score.dice)

    def look(
        self, scan: Scan, normalisation: tuple[Normalisation, ...], z: int
    ) -> Generator[None, None, NDArray[np.uint8]]:
        """Give the labels, (Y, X) uint8, that the model at hand sees on slice ``z`` of a scan.

        A quick look: a slice larger than a patch is computed in pieces that do not overlap, after each of which it can
        be left.
        """
        volume = next(v for v in scan.volumes() if v.start <= z < v.stop)
        depth = self.size.depth
        first = max(volume.start, min(z - depth // 2, volume.stop - depth))
        seen = slice(first, min(first + depth, volume.stop))
        images = torch.from_numpy(with_neighbours(scan, normalisation, seen, self.config.network.context))
        rows, columns = scan.grid[1:]
        labels = np.zeros((rows, columns), np.uint8)
        label_of = np.array(self.labels, np.uint8)
        height, width = self.size.height, self.size.width  # as in training, so that it fits into the memory
        for top, left in product(range(0, rows, height), range(0, columns, width)):
            piece = np.s_[top : top + height, left : left + width]
            with torch.inference_mode(), self.compute.autocast():
                logits = self._logits(self.average, images[(..., *piece)][None].to(self.compute.device))[0]
                labels[piece] = label_of[logits[0, :, z - first].argmax(0).cpu().numpy()]
            yield
        return labels
