"""The curves of a training for TensorBoard, which is an extra: ``pip install "napari-unet-paint[tensorboard]"``."""

from pathlib import Path
from typing import TypeVar

from napari_unet.errors import MissingDependency
from napari_unet.events import EpochDone, Job

Result = TypeVar("Result")


def logged(job: Job[Result], folder: Path) -> Job[Result]:
    """Run a training, and write the numbers of each round to an event file in a folder.

    Written are losses, Dice and learning rate by step: nothing of the scan, and no name.

    Raises
    ------
    MissingDependency
        TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependency(
            'Event files need TensorBoard: pip install "napari-unet-paint[tensorboard]", or leave the option out.'
        ) from error
    command = None
    with SummaryWriter(str(folder)) as writer:
        while True:
            try:
                event = job.send(command)
            except StopIteration as end:
                result: Result = end.value
                return result
            if isinstance(event, EpochDone):
                for name, value in _numbers(event).items():
                    writer.add_scalar(name, value, event.step)
            command = yield event


def _numbers(done: EpochDone) -> dict[str, float]:
    numbers = {
        "loss/training": done.train_loss,
        "loss/validation": done.validation_loss,
        "Dice/mean": done.validation_dice,
        "learning rate": done.learning_rate,
        **{f"Dice/class {label}": dice for label, dice in done.dice_per_class.items()},
    }
    return {name: value for name, value in numbers.items() if value is not None}
