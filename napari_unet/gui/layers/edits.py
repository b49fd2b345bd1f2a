"""Changes that a program makes to a labels layer, which napari's own undo takes back, in order with brush strokes.

napari keeps a list of what was done to each layer. An entry is a list of parts, and a part is whatever unpacks into
(indices, labels before, labels after). A :class:`SlicePart` is one that holds only what changed, as runs of voxels,
and unpacks when it is undone or redone: a changed volume costs a few megabytes where napari's own parts cost 25 bytes
for each voxel.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_unet.gui.layers.scans import METADATA

APPLIED = "applied"
"""Key, in this program's part of a layer's metadata, of what was done to it and is not undone."""


@dataclass(frozen=True, eq=False)
class Edit:
    """What a program does to a layer.

    Parameters
    ----------
    name
        In words: what "Undo" says it takes back.
    settings
        How it is done, in the form of JSON; kept with the layer until it is undone. Empty for what a person did.
    """

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class SlicePart:
    """What changes in one slice: runs of voxels, row by row, that have one label before and one after.

    Parameters
    ----------
    edit
        What it is a part of.
    place
        Index of the slice in the layer, without row and column.
    width
        Length of a row.
    starts, lengths
        (N,) uint32: where the runs begin in the flattened slice, and how long they are.
    before, after
        (N,) labels.
    """

    edit: Edit
    place: tuple[int, ...]
    width: int
    starts: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    before: NDArray[Any]
    after: NDArray[Any]

    @classmethod
    def of(cls, edit: Edit, place: tuple[int, ...], before: NDArray[Any], after: NDArray[Any]) -> "SlicePart | None":
        """Compare a slice before and after, (Y, X) each; None when nothing changes."""
        flat = np.flatnonzero(before != after)
        return cls.of_voxels(edit, place, before.shape[1], flat, before.ravel()[flat], after.ravel()[flat])

    @classmethod
    def of_voxels(
        cls, edit: Edit, place: tuple[int, ...], width: int, flat: NDArray[Any], old: NDArray[Any], new: NDArray[Any]
    ) -> "SlicePart | None":
        """Make it of voxels, ascending in the flattened slice, their labels before and after; None when of none."""
        if not flat.size:
            return None
        begins = np.ones(flat.size, bool)
        begins[1:] = (np.diff(flat) != 1) | (old[1:] != old[:-1]) | (new[1:] != new[:-1])
        runs = np.flatnonzero(begins)
        lengths = np.diff(runs, append=flat.size).astype(np.uint32)
        return cls(edit, place, width, flat[runs].astype(np.uint32), lengths, old[runs], new[runs])

    @property
    def nbytes(self) -> int:
        """The memory it takes."""
        return self.starts.nbytes + self.lengths.nbytes + self.before.nbytes + self.after.nbytes

    @property
    def voxels(self) -> int:
        """How many voxels change."""
        return int(self.lengths.sum())

    def only(self, kept: NDArray[np.bool_]) -> "SlicePart | None":
        """Give the part of these of its voxels, in their order; None when there are none."""
        _, old, new = self
        return self.of_voxels(self.edit, self.place, self.width, self.flat[kept], old[kept], new[kept])

    @property
    def flat(self) -> NDArray[np.uint32]:
        """Where its voxels are in the flattened slice, ascending."""
        before_run = np.cumsum(self.lengths, dtype=np.uint32) - self.lengths
        return np.repeat(self.starts - before_run, self.lengths) + np.arange(self.voxels, dtype=np.uint32)

    def __iter__(self) -> Iterator[Any]:
        """Unpack into the indices of its voxels, their labels before, and their labels after."""
        yield (*self.place, *np.divmod(self.flat, np.uint32(self.width)))
        yield np.repeat(self.before, self.lengths)
        yield np.repeat(self.after, self.lengths)


def compare(edit: Edit, leading: tuple[int, ...], before: Any, after: Any) -> list[SlicePart]:
    """Collect what an edit changes.

    Parameters
    ----------
    edit
        What it is.
    leading
        Shape of the layer without rows and columns, which come last.
    before, after
        (Z, Y, X) labels, with all other axes of the layer folded into Z.
    """
    places = np.ndindex(leading)
    parts = (SlicePart.of(edit, place, old, new) for place, old, new in zip(places, before, after, strict=True))
    return [part for part in parts if part is not None]


def can_edit(layer: Labels) -> bool:
    """Whether an edit of the layer can be undone: it is in memory, and a person may paint on it."""
    return bool(layer.editable) and isinstance(layer.data, np.ndarray) and layer.data.flags.writeable


def make_edit(layer: Labels, parts: Sequence[SlicePart]) -> int:
    """Change a layer, as one entry of its undo.

    What a person painted since ``before`` was looked at stays: only voxels that still are what they were change.

    Parameters
    ----------
    layer
        The layer.
    parts
        The changes, of one edit, a slice at most once.

    Returns
    -------
    int
        Voxels that stayed because somebody painted them meanwhile.
    """
    skipped, made = 0, []
    for part in parts:
        plane = layer.data[part.place]
        # A third of the time that it takes by rows and columns: this holds up the window.
        voxels = plane.reshape(-1) if plane.flags.c_contiguous else plane.flat
        flat = part.flat.astype(np.intp)
        same = voxels[flat] == np.repeat(part.before, part.lengths)
        made_of = part if same.all() else part.only(same)
        if made_of is not None:
            voxels[flat[same]] = np.repeat(made_of.after, made_of.lengths)
            made.append(made_of)
        skipped += same.size - np.count_nonzero(same)
    if made:
        with layer.block_history():
            for part in made:
                layer._save_history(part)
        layer.events.set_data.connect(_note_applied)
        layer.refresh(thumbnail=False, extent=False)
    return skipped


def revision(layer: Labels) -> tuple[object, ...]:
    """Give something that is another after every stroke, edit, undo and redo, and when the layer gets other voxels.

    The first of it is another in the last case only.
    """
    ends = [(len(history), id(history[-1]) if history else 0) for history in (layer._undo_history, layer._redo_history)]
    return id(layer.data), *ends


def put_back_entry(layer: Labels, parts: Sequence[SlicePart]) -> None:
    """Let a layer have an edit of an earlier window in its undo again, before all that is there; it is done already."""
    edit, known, later = parts[0].edit, applied(layer), _edits(layer._undo_history)
    layer._undo_history.appendleft(list(parts))
    for number in reversed(range(len(known))):
        if known[number] == edit.settings and not any(known[number] is other.settings for other in later):
            known[number] = edit.settings  # from now on it goes when the edit is undone
            break
    note_applied(layer, known)
    layer.events.set_data.connect(_note_applied)


def size_of(parts: Sequence[SlicePart]) -> int:
    """Give the bytes that an edit takes in the undo of its layer."""
    return sum(part.nbytes for part in parts)


def entries(layer: Labels) -> list[Sequence[Any]]:
    """Give the entries of a layer's undo, oldest first, each a list of parts."""
    return list(layer._undo_history)


def entry_name(entry: Sequence[Any]) -> str:
    """Name the edit that an entry is; "" for a brush stroke."""
    return "".join(edit.name for edit in _edits([entry]))


def entry_bytes(thing: object) -> int:
    """Give the memory that an entry, or a part of one, takes."""
    if isinstance(thing, SlicePart | np.ndarray):
        return thing.nbytes
    return sum(map(entry_bytes, thing)) if isinstance(thing, Sequence) and not isinstance(thing, str) else 0


def entry_stands(layer: Labels, part: object) -> bool | None:
    """Whether the entry that begins with a part is done, or undone; None when the layer has forgotten it."""
    if any(entry[0] is part for entry in layer._undo_history):
        return True
    return False if any(entry[-1] is part for entry in layer._redo_history) else None


def forget_entry(layer: Labels, part: object) -> None:
    """Drop the entry that begins with a part, which is the oldest one, or one that is undone."""
    for history, end in ((layer._undo_history, 0), (layer._redo_history, -1)):
        kept = [entry for entry in history if entry[end] is not part]
        if len(kept) < len(history):
            history.clear()
            history.extend(kept)


def forget_entries(layer: Labels) -> None:
    """Drop all entries: the layer got other voxels than they are about."""
    layer._reset_history()


def applied(layer: Labels) -> list[Mapping[str, Any]]:
    """Give the settings of all that was done to a layer and is not undone, oldest first."""
    return list(layer.metadata.get(METADATA, {}).get(APPLIED, ()))


def note_applied(layer: Labels, settings: Sequence[Mapping[str, Any]]) -> None:
    """Keep with a layer how it came about."""
    layer.metadata[METADATA] = {**layer.metadata.get(METADATA, {}), APPLIED: tuple(settings)}


def _note_applied(event: Any) -> None:
    """Keep the settings of what is done with the layer, and forget those of what is undone."""
    layer = event.source
    known, undone, done = applied(layer), _edits(layer._redo_history), _edits(layer._undo_history)
    kept = [settings for settings in known if not any(settings is edit.settings for edit in undone)]
    new = [edit.settings for edit in done if edit.settings]  # a click has none: it says nothing of how a mask was made
    kept += [settings for settings in new if not any(settings is other for other in kept)]
    if len(kept) != len(known):
        note_applied(layer, kept)


def _edits(history: Sequence[Any]) -> list[Edit]:
    return [entry[0].edit for entry in history if entry and isinstance(entry[0], SlicePart)]
