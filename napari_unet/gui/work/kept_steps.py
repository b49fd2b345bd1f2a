"""The undo of a project: what the last steps were is kept with it, and they come back with its layers."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from napari.components import ViewerModel
from napari.layers import Labels

from napari_unet.gui.layers.edits import Edit, SlicePart, put_back_entry
from napari_unet.gui.layers.net_changes import do_again, net_parts, packed, take_back, unpacked
from napari_unet.gui.work.marking import Marked, Marking
from napari_unet.gui.work.undoing import Change, LayerStep, Shown, Switched
from napari_unet.history import History, Step
from napari_unet.keeping.journal import Stored
from napari_unet.keeping.steps import KeptStep, read_steps

MOST_STEPS, MOST_BYTES = 30, 32 * 2**20
"""So many of the last steps are kept, and so large together in memory."""


class Kind(StrEnum):
    """What a step that is kept is."""

    CHANGED = "changed"
    MARKED = "marked"
    SHOWN = "shown"
    SWITCHED = "switched"


@dataclass(frozen=True, eq=False)
class DueStep:
    """A step that is to be kept: of which layer, by its key, when it was done, and what makes it, in any thread."""

    key: str
    when: int
    make: Callable[[], KeptStep]


@dataclass(frozen=True, eq=False)
class FittingStep:
    """A step that was kept and still fits what is there, as far as it does."""

    kept: KeptStep
    parts: Sequence[SlicePart] = ()


def steps_due(history: History, keys: Mapping[Labels, str]) -> list[DueStep]:
    """Give the last steps of a history that can be kept, of the layers that have a key."""
    due: list[DueStep] = []
    nbytes = 0
    for step in reversed(history.done):
        nbytes += step.nbytes
        if len(due) == MOST_STEPS or nbytes > MOST_BYTES:
            break
        if not isinstance(step, LayerStep) or (layer := step.layer) is None:
            continue
        if layer in keys and (about := _about(step, keys)) is not None:
            due.append(_due(step, keys[layer], about, layer.data.shape))
    return due


def _due(step: Step, key: str, about: Mapping[str, Any], shape: tuple[int, ...]) -> DueStep:
    def make() -> KeptStep:
        parts = net_parts(step.parts, Edit(step.name, {}), shape) if isinstance(step, Change) else []
        return KeptStep(key, step.when, about, packed(parts) if parts else {})

    return DueStep(key, step.when, make)


def _about(step: LayerStep, keys: Mapping[Labels, str]) -> dict[str, Any] | None:
    """Say of a step, as JSON values, what it is; None when that cannot be kept."""
    known: dict[str, Any] = {"name": step.name}
    if isinstance(step, Change):
        edit = step.parts[0].edit if isinstance(step.parts[0], SlicePart) else Edit(step.name, {})
        return {**known, "kind": Kind.CHANGED, "settings": dict(edit.settings), "seen_at": step.seen_at}
    if isinstance(step, Marked):
        return {**known, "kind": Kind.MARKED, "slices": sorted(step.slices), "on": step.on}
    if isinstance(step, Shown):
        return {**known, "kind": Kind.SHOWN}
    if isinstance(step, Switched) and step.other in keys:
        return {**known, "kind": Kind.SWITCHED, "other": keys[step.other]}
    return None


def fitting_steps(folder: Path, layers: Mapping[str, Stored]) -> list[FittingStep]:
    """Read the steps that are kept of some layers, as far as they fit them; safe in a thread, the last one first.

    What was changed after the last step that is kept, by which a window may have been killed, stays as it is.

    Parameters
    ----------
    folder
        The journal.
    layers
        The layers as it has them, by key.
    """
    fitting: list[FittingStep] = []
    marks = {key: set(stored.about.get("review", {}).get("reviewed", ())) for key, stored in layers.items()}
    for step in read_steps(folder, layers):
        parts: list[SlicePart] = []
        with suppress(ValueError, KeyError, IndexError, TypeError):
            if step.about["kind"] == Kind.CHANGED:
                changed = unpacked(step.arrays, Edit(step.about["name"], step.about["settings"]))
                parts.extend(filter(None, (take_back(part, layers[step.key].array) for part in changed)))
            elif step.about["kind"] == Kind.MARKED and not _unmark(marks[step.key], step.about):
                continue
        if parts or step.about.get("kind") != Kind.CHANGED:
            fitting.append(FittingStep(step, parts))
    for one in reversed(fitting):
        do_again(one.parts, layers[one.kept.key].array)
    return fitting


def _unmark(marks: set[int], about: Mapping[str, Any]) -> bool:
    """Take marks back that a step set, or set those that it took; False when they are as if it had not been."""
    turned = set(about["slices"])
    fits = turned <= marks if about["on"] else marks.isdisjoint(turned)
    if fits:
        marks ^= turned
    return fits


class KeptSteps:
    """Brings steps back into the history of a window.

    Parameters
    ----------
    viewer
        Where the layers are; it is not kept alive.
    history
        The steps of the window.
    marking
        Is told of marks that are turned.
    switch
        Shows one mask in the place of another.
    """

    def __init__(
        self,
        viewer: weakref.ref[ViewerModel],
        history: History,
        marking: Marking,
        switch: Callable[[Labels, Labels], None],
    ) -> None:
        self._viewer = viewer
        self._history = history
        self._marking = marking
        self._switch = switch

    def bring_back(self, steps: Sequence[FittingStep], layers: Mapping[str, Labels]) -> None:
        """Let the steps be taken back in the window, the last one of which comes first, on its layers by key."""
        found = []
        for fitting in steps:
            with suppress(KeyError, TypeError):  # a mask may be gone in whose place another was shown
                step = self._made(fitting, layers)
                step.when = fitting.kept.when
                found.append(step)
        self._history.put_back(found)

    def _made(self, fitting: FittingStep, layers: Mapping[str, Labels]) -> LayerStep:
        about, layer = fitting.kept.about, layers[fitting.kept.key]
        match about["kind"]:
            case Kind.CHANGED:
                put_back_entry(layer, fitting.parts)
                change = Change(self._viewer, layer, fitting.parts)
                change.seen_at = None if about["seen_at"] is None else tuple(about["seen_at"])
                return change
            case Kind.MARKED:
                slices = frozenset(about["slices"])
                return Marked(about["name"], self._viewer, layer, slices, about["on"], self._marking)
            case Kind.SHOWN:
                return Shown(about["name"], self._viewer, layer)
            case Kind.SWITCHED:
                return Switched(about["name"], self._viewer, layer, layers[about["other"]], self._switch)
        raise KeyError(about["kind"])
