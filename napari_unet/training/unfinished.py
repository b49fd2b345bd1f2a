"""A training that was interrupted: one file from which it goes on exactly where it was.

It holds the network, its running average, the optimiser, the random numbers, and how far the training is: no voxel,
no name and no path. It lies beside the model, so that the model stays small, and is read without running anything
that is in it.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from napari_unet.config import TrainConfig
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput, UnetError
from napari_unet.events import EpochDone
from napari_unet.training.course import Standing
from napari_unet.training.learner import Learner, Score
from napari_unet.training.material import Material

FORMAT = 1
"""Raised when a file of another version could no longer be gone on from."""
EVERY = 10.0
"""Seconds of training between two writes, at least."""
SHARE = 0.02
"""Writing takes no more than this share of the time."""
MAY_DIFFER = {"time_limit", "steps", "threads"}
"""Parameters that may be others when a training goes on."""


class Unfinished:
    """Writes the state of a training now and then, and reads it back.

    Parameters
    ----------
    path
        The file.
    config, material
        What the training is given: it goes on with the same only.
    """

    def __init__(self, path: Path, config: TrainConfig, material: Material) -> None:
        self.path = path
        self._config = config.model_dump(mode="json")
        self._material = digest(material)
        self._next = EVERY

    def write_if_due(self, learner: Learner, standing: Standing) -> str:
        """Write now and then, in a small share of the time; say so in a sentence when that does not work any more."""
        seconds = standing.course.seconds
        if seconds < self._next:
            return ""
        begun = perf_counter()
        try:
            self.write(learner, standing)
        except (UnetError, OSError) as error:
            self._next = float("inf")
            return f"This training cannot be gone on with after an interruption: {error}"
        self._next = seconds + max(EVERY, (perf_counter() - begun) / SHARE)
        return ""

    def write(self, learner: Learner, standing: Standing) -> None:
        """Write the state, whole or not at all.

        Raises
        ------
        BadInput
            The folder cannot be written to.
        OSError
            The disk is full.
        """
        best = standing.best
        state = {
            "format": FORMAT,
            "config": self._config,
            "material": self._material,
            "learner": learner.state(),
            "step": standing.course.step,
            "seconds": standing.course.seconds,
            "losses": standing.losses,
            "rounds": [asdict(done) for done in standing.rounds],
            "best": {"highest": best.highest, "rounds_since_highest": best.rounds_since_highest},
            "score": None if best.score is None else _tensors_of(best.score),
        }
        with written_whole(self.path) as temporary:
            torch.save(state, temporary)

    def read_into(self, learner: Learner, standing: Standing) -> None:
        """Bring a training to where it was.

        Raises
        ------
        BadInput
            There is no such file, it is damaged, or the training was given something else.
        """
        state = read(self.path)
        self._check(state)
        learner.restore(state["learner"])
        standing.course.go_on(state["step"], state["seconds"])
        standing.losses[:] = state["losses"]
        standing.rounds[:] = [EpochDone(**done) for done in state["rounds"]]
        standing.best.highest = state["best"]["highest"]
        standing.best.rounds_since_highest = state["best"]["rounds_since_highest"]
        standing.best.score = None if state["score"] is None else _score_of(state["score"])
        self._next = state["seconds"] + EVERY

    def _check(self, state: dict[str, Any]) -> None:
        if state["material"] != self._material:
            raise BadInput(
                "The scan or its paint is not the one that this training learned from, so that it cannot go on exactly "
                "where it was: go on from its model instead, or begin anew."
            )
        before, now = state["config"], self._config
        others = [name for name in now if name not in MAY_DIFFER and before.get(name) != now[name]]
        if others:
            names = " and another ".join(others).replace("_", " ")
            raise BadInput(f"This training began with another {names}: give the same to go on with it, or begin anew.")


def read(path: Path) -> dict[str, Any]:
    """Read the state of a training.

    Raises
    ------
    BadInput
        There is no such file, it is damaged, or of another version.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise BadInput(f"There is no training to go on with: {path} is missing. Begin anew.") from error
    except Exception as error:  # torch names no type for what a damaged file makes it raise
        raise BadInput(f"{path.name} is damaged, so that this training cannot go on: begin anew.") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise BadInput(f"{path.name} was written by another version of this program: begin anew.")
    return state


def config_of(path: Path) -> TrainConfig:
    """Give the parameters of an interrupted training.

    Raises
    ------
    BadInput
        As :func:`read`.
    """
    return TrainConfig.model_validate(read(path)["config"])


def digest(material: Material) -> str:
    """Hash what is learned from and measured on (SHA-256, hexadecimal): the same scans and paint give the same."""
    total = hashlib.sha256(repr((material.labels, material.normalisation)).encode())
    for source in (*material.learned, *material.held_out):
        total.update(repr((tuple(source.image.shape), source.spacing, source.again)).encode())
        total.update(source.targets.cpu().numpy().tobytes())
    return total.hexdigest()


def _tensors_of(score: Score) -> dict[str, Any]:
    """Give a score as what torch reads without running anything."""
    values = {name: getattr(score, name) for name in ("step", "loss", "dice", "dice_per_class", "chance")}
    return {**values, "weights": {name: torch.from_numpy(value) for name, value in score.weights.items()}}


def _score_of(state: dict[str, Any]) -> Score:
    weights = {name: value.numpy() for name, value in state["weights"].items()}
    return Score(**{**state, "weights": weights})
