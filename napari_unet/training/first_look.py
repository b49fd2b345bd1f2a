"""Teaching the pixel classifier within a network before anything else: it takes a second, and much is known then."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from math import inf
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_unet.annotation import IGNORE
from napari_unet.config import TrainConfig
from napari_unet.networks.filters import PixelClassifier

PATCHES = 32
"""Patches that voxels are drawn from."""
POOL = 100_000
"""Voxels drawn, of those that are painted and of those that only a teacher tells of."""
BATCH = 1024
STEPS = 600
STEPS_IN_A_ROW = 10
STEPS_A_SECOND = 60
"""Of the time there is: a first look takes less than a tenth of it."""
MOST_TIME = 0.2
"""Share of the time after which a first look ends in any case, on a machine that is slow or has other things to do."""
RATE = 2e-2
WARM_UP = 0.05
RAREST = 1e-5
"""Share of voxels that a class has at least: it may be missing from the patches that were drawn."""
SURENESS = 0.25
"""Share of what the pixel classifier finds that the network begins with: it says the same, but is soon corrected."""
PAINT_BESIDE_TEACHER = 0.2
"""How much less paint counts where a teacher, who learned from it, tells of everything else: it was seen already."""


@dataclass(frozen=True)
class Patience:
    """How long a first look may take.

    Parameters
    ----------
    config
        The time limit; a run that its steps end does not depend on the clock, so that it can be repeated exactly.
    """

    config: TrainConfig
    begun: float = field(default_factory=lambda: perf_counter())

    @property
    def steps(self) -> int:
        """Steps to take."""
        return max(1, min(STEPS, int(STEPS_A_SECOND * self.config.time_limit)))

    def over(self, part: float = 1.0) -> bool:
        """Whether this part of it is over."""
        allowed = inf if self.config.steps else MOST_TIME * self.config.time_limit
        return perf_counter() - self.begun > part * allowed


@dataclass(frozen=True)
class Lesson:
    """Voxels and what is known of them.

    Parameters
    ----------
    features
        (N, features) float32, as :func:`~napari_unet.networks.filters.filtered` gives them.
    likely
        (N, classes), how likely each class is.
    weight
        How much it counts.
    """

    features: Tensor
    likely: Tensor
    weight: float

    @property
    def common(self) -> Tensor:
        """(classes,) of how common each is."""
        return self.likely.mean(0).clamp_min(RAREST)

    def batches(self, steps: int, size: int, random: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw voxels, rare classes more often than they are: by the root of how common they are."""
        share = self.common.double().rsqrt()[self.likely.argmax(1)].cumsum(0)
        for _ in range(steps):
            drawn = torch.rand(size, generator=random, dtype=torch.float64) * share[-1]
            chosen = torch.searchsorted(share, drawn).clamp_max(len(share) - 1)
            yield self.features[chosen], self.likely[chosen]


def lessons(
    patches: Iterator[tuple[Tensor, Tensor, Tensor]], classes: int, random: torch.Generator
) -> Generator[None, None, list[Lesson]]:
    """Collect voxels of patches: of what is painted and, where there is one, of what a teacher tells.

    After each patch it can be left.

    Parameters
    ----------
    patches
        Features (N, features, ...), targets (N, ...) uint8, and opinions (N, classes, ...), with no channel when
        there is no teacher.
    classes
        Channels there are.
    random
        Which voxels are taken where there are many.
    """
    painted: list[tuple[Tensor, Tensor]] = []
    told: list[tuple[Tensor, Tensor]] = []
    for features, targets, opinion in patches:
        known = targets != IGNORE
        rows = features.movedim(1, -1)
        painted.append((rows[known], F.one_hot(targets[known].long(), classes).float()))
        if opinion.shape[1]:
            asked = ~known & (opinion.sum(1) > 0.5)
            told.append((rows[asked], opinion.movedim(1, -1)[asked]))
        yield
    found = []
    for voxels, weight in ((painted, PAINT_BESIDE_TEACHER if told else 1.0), (told, 1.0)):
        if sum(len(features) for features, _ in voxels):
            features, likely = (torch.cat(part) for part in zip(*voxels, strict=True))
            some = torch.randperm(len(features), generator=random)[:POOL]
            found.append(Lesson(features[some], likely[some], weight))
    return found


def teach(
    pixels: PixelClassifier, of: list[Lesson], patience: Patience, random: torch.Generator
) -> Generator[None, None, Tensor]:
    """Teach a pixel classifier, on the processor, by the cross-entropy with what is known; now and then it can be left.

    Rare classes are seen more often than they are; what is to be added to its logits for that is returned: Menon et
    al. 2021 (logit adjustment), doi:10.48550/arXiv.2007.07314.

    Parameters
    ----------
    pixels
        Untaught.
    of
        Lessons.
    patience
        How long it may take.
    random
        Which voxels are seen when.

    Returns
    -------
    torch.Tensor
        (classes,), what belongs into the bias of the head.
    """
    pixels.standardise(torch.cat([lesson.features for lesson in of]))
    steps = patience.steps
    optimizer = torch.optim.AdamW(pixels.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (WARM_UP * steps)) * (1 - step / steps)
    )
    one = (1,) * (pixels.head.weight.ndim - 2)
    size = BATCH // len(of)
    for step, batches in enumerate(zip(*(lesson.batches(steps, size, random) for lesson in of), strict=True)):
        loss = torch.zeros(())
        for lesson, (features, likely) in zip(of, batches, strict=True):
            logits = pixels.judged(features.reshape(*features.shape, *one)).flatten(1)
            loss = loss - lesson.weight * (likely * logits.log_softmax(1)).sum(1).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if patience.over():
            break
        if step % STEPS_IN_A_ROW == 0:
            yield
    with torch.no_grad():
        pixels.head.weight *= SURENESS
    # As often as a class is, over as often as it was drawn, which is by the root of that.
    return SURENESS * of[-1].common.log() / 2
