"""What of a window one journal holds: its layers, its models, and the project that it belongs to."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.durable import written_whole
from napari_unet.gui.layers.kept import REFINED, VOUCHED, WRITTEN, keys_of, looks_in
from napari_unet.gui.work.kept_steps import DueStep
from napari_unet.keeping.journal import Journal
from napari_unet.keeping.project import Project, write_project
from napari_unet.keeping.steps import kept_files, step_file, write_step
from napari_unet.model_file import SUFFIX, ModelDescription
from napari_unet.review.corrections import Review
from napari_unet.session import TrainedModel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Due:
    """A layer that is to be written: its key, its voxels, what to say of it, its review."""

    key: str
    voxels: "NDArray[Any]"
    about: dict[str, Any]
    review: Review | None


class WindowJournal:
    """A journal, and what it was given so far. What it is asked to write is written by one thread at a time.

    Parameters
    ----------
    root
        The folder in which a journal is made when there is something to write.
    journal
        One that is there already, such as that of a project.
    project
        What is written beside the journal.
    abouts
        What that journal says of the layers it has, by key.
    """

    def __init__(
        self,
        root: Path,
        journal: Journal | None = None,
        project: Project | None = None,
        abouts: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self._root = root
        self.journal = journal
        self.project = project
        self.abouts = dict(abouts or {})
        self._project_written: Project | None = None
        self._models: dict[Path, tuple[ModelDescription, Path]] = {}
        self._reviews: dict[str, tuple[int, int]] = {}

    @property
    def project_due(self) -> Project | None:
        """The project, when it is not yet written as it is."""
        return None if self.project == self._project_written else self.project

    def models_due(self, models: Sequence[TrainedModel]) -> list[TrainedModel]:
        """Give those of some models, the newest first, that are not kept yet as they are; the oldest of them first."""
        due = [model for model in models if self._models.get(model.path, (None,))[0] != model.description]
        return [model for model in reversed(due) if model.path.exists()]  # a person may have removed a file of theirs

    def model_file(self, model: Path) -> str:
        """Give the name under which a model is kept; "" when it is not."""
        kept = self._models.get(model)
        return "" if kept is None else kept[1].name

    def has_model(self, model: TrainedModel) -> None:
        """Note that a model lies in the journal already."""
        self._models[model.path] = (model.description, model.path)

    def forget_model(self, model: Path) -> None:
        """Remove the copy of a model that was cleared."""
        kept = self._models.pop(model, None)
        if kept is not None:
            kept[1].unlink(missing_ok=True)

    def has_review(self, key: str, review: Review) -> None:
        """Note that the review of a layer lies in the journal already."""
        self._reviews[key] = (review.checksum, len(review.looks))

    def move_to(self, journal: Journal) -> None:
        """Go on in a copy of the journal, as far as that is one; the one so far is written no more."""
        if self.journal is not None:
            self.journal.release()
        self.journal = journal
        models = {model: (said, journal.folder / at.name) for model, (said, at) in self._models.items()}
        self._models = {model: kept for model, kept in models.items() if kept[1].exists()}
        self._reviews = {}

    def write(self, layers: Sequence[Due], models: Sequence[TrainedModel], project: Project | None) -> None:
        """Write what is due.

        Raises
        ------
        OSError, BadInput
            The disk is full, or its folder is gone.
        """
        journal = self.journal = self.journal or Journal.new(self._root)
        journal.touch()
        for model in models:
            self._keep_model(journal, model)
        for due in layers:
            if due.review is not None:
                self._keep_review(journal, due, due.review)
            journal.keep(due.key, due.voxels, due.about)
            about = {**due.about, "shape": list(due.voxels.shape)}
            self.abouts = {**self.abouts, due.key: about}  # another one: the window may be going through them
        if project is not None:
            write_project(journal.folder, project)
            self._project_written = project

    def write_steps(self, keys: Iterable[str], steps: Iterable[DueStep]) -> None:
        """Write the last steps of the undo, after what they led to; those of these layers that are not among them go.

        Raises
        ------
        OSError
            The disk is full, or its folder is gone.
        """
        if self.journal is None:
            return
        folder = self.journal.folder
        wanted, there = {step_file(folder, step.key, step.when): step for step in steps}, kept_files(folder, keys)
        for file in there - wanted.keys():
            file.unlink(missing_ok=True)
        for file in wanted.keys() - there:
            with suppress(ValueError, TypeError):  # another plugin may put anything into the undo of a layer
                write_step(folder, wanted[file].make())

    def forget(self, key: str) -> None:
        """Forget a layer."""
        self.abouts = {other: about for other, about in self.abouts.items() if other != key}
        if self.journal is not None:
            for one in keys_of([key]):
                self.journal.forget(one)
            self.write_steps([key], ())

    def _keep_model(self, journal: Journal, model: TrainedModel) -> None:
        before = self._models.get(model.path)
        if before is None:
            name = re.sub(r"[^\w .()\[\]-]", "_", model.name)
            kept = journal.keep_file(model.path, f"{name}{SUFFIX}")
        elif (kept := before[1]) != model.path:
            with written_whole(kept) as temporary:
                shutil.copyfile(model.path, temporary)
        self._models[model.path] = (model.description, kept)

    def _keep_review(self, journal: Journal, due: Due, review: Review) -> None:
        planes = [due.voxels[place] for place in np.ndindex(due.voxels.shape[:-2])]
        due.about["review"] = {
            "model": self.model_file(review.model) or str(review.model),
            **review.notes(),
            "corrected": any(review.corrected(z, plane).any() for z, plane in enumerate(planes)),
        }
        known = (review.checksum, len(review.looks))
        if self._reviews.get(due.key) == known:
            return
        about = {"shape": (len(planes), *due.voxels.shape[-2:]), "dtype": np.dtype(np.uint8).str}
        by_slice = {
            WRITTEN: (review.written(z, plane.shape) for z, plane in enumerate(planes)),
            VOUCHED: (review.vouched(z, plane.shape).view(np.uint8) for z, plane in enumerate(planes)),
            REFINED: (review.refined(z, plane.shape) for z, plane in enumerate(planes)),
        }
        for end, slices in by_slice.items():
            journal.keep_slices(f"{due.key}{end}", slices, {**about, **(looks_in(review) if end == WRITTEN else {})})
        self._reviews[due.key] = known
