"""What a click on a piece of a mask, or a line across it, comes to: accept, reject, another class, split."""

import weakref
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Labels
from numpy.typing import NDArray

from napari_unet.annotation import BACKGROUND, UNPAINTED
from napari_unet.errors import BadInput
from napari_unet.gui.layers.edits import Edit, SlicePart, can_edit
from napari_unet.gui.layers.scans import classes_of, mask_shape_of, review_of, scan_of, voxels_of
from napari_unet.gui.work.activity import is_along_slices
from napari_unet.gui.work.refining import amount, names_of
from napari_unet.gui.work.undoing import LayerStep
from napari_unet.strokes import Limits

if TYPE_CHECKING:
    from napari_unet.refinement.clicked import Piece
    from napari_unet.scan import Scan


class Tool(StrEnum):
    """What a click does to the piece under it."""

    ACCEPT = "accepting"
    REJECT = "rejecting"
    RENAME = "relabelling"
    SPLIT = "splitting"


@dataclass(frozen=True, eq=False)
class Click:
    """What somebody wants of a place.

    Parameters
    ----------
    tool
        What is to be done.
    source
        Where the piece is looked for.
    target
        What is changed: the same layer, or one on the same grid, such as the paint.
    corners
        (N, ndim) voxels of the layers: where the click was, or the corners of the line.
    across
        The axis of (z, y, x) that the slice in view lies across.
    one_slice
        Whether only what lies on that slice counts.
    label
        The selected class.
    removed
        What a rejected piece becomes.
    limits
        What does not change.
    """

    tool: Tool
    source: Labels
    target: Labels
    corners: NDArray[np.int64]
    across: int = 0
    one_slice: bool = False
    label: int = 1
    removed: int = UNPAINTED
    limits: Limits = field(default_factory=Limits)

    @property
    def z(self) -> int:
        """The slice of the scan that it was made on, or that the line begins on."""
        return int(_folded(self.corners, voxels_of(self.source).shape)[0, 0])

    def check(self) -> None:
        """Raise when it cannot come to anything.

        Raises
        ------
        BadInput
            The layers do not belong together, cannot be changed, or there is nothing to do it with.
        """
        source, target = self.source, self.target
        if not can_edit(target) or not isinstance(source.data, np.ndarray):
            raise BadInput(f'"{target.name}" lies on a disk or cannot be painted on: use a layer that is in memory.')
        if mask_shape_of(source) != mask_shape_of(target):
            raise BadInput(f'"{source.name}" does not lie on the scan of "{target.name}": choose another mask.')
        if self.tool is Tool.ACCEPT and source is target and review_of(source) is None:
            raise BadInput(f'"{source.name}" was not predicted here: there is nothing to accept in it.')
        if self.tool is Tool.RENAME and self.label in (UNPAINTED, BACKGROUND):
            raise BadInput("Select the class that the piece is to become first.")
        if self.tool is Tool.SPLIT and source is not target:
            raise BadInput(f'Select "{source.name}" in the layer list to split its pieces.')


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a click comes to: in words, what it is called in the undo, and what changes or is accepted.

    ``begun`` are the slices of paint that nothing was painted on before.
    """

    text: str
    edit: Edit
    parts: tuple[SlicePart, ...] = ()
    accepted: "Piece | None" = None
    begun: frozenset[int] = frozenset()


def note_click(viewer: ViewerModel, click: Click, outcome: Outcome) -> None:
    """Note in the reviews of the masks which slice was looked at, and which ones got paint from there."""
    for mask in {click.source, click.target}:
        review = review_of(mask)
        if review is None:
            continue
        if is_along_slices(viewer, mask):
            review.touch(click.z)
        if mask is not click.target:
            review.copied = review.copied | outcome.begun - {click.z}
            mask.refresh(thumbnail=False, extent=False)  # whoever counts or keeps what is reviewed hears of it


def outcome_of(click: Click) -> Outcome:
    """Find the piece and what becomes of it; nothing changes yet. It may take a second: call it in a thread.

    Raises
    ------
    BadInput
        There is no piece, it is protected, or the line does not divide it.
    """
    scan = scan_of(click.target)
    piece, label, where = _piece_of(click, scan)
    name = names_of([piece.label], classes_of(click.source))
    edit = Edit(f"{click.tool} a piece of {name}", {})
    if click.tool is Tool.ACCEPT and click.source is click.target:
        accepted = _not_known_yet(click.source, scan, piece)
        if not accepted.where.any():
            raise BadInput(f"This piece of {name} is accepted already.")
        return Outcome(f"Accepted: {amount(piece.voxels, scan.voxel_ml)} of {name}.", edit, accepted=accepted)
    parts, spared, begun = _parts(click, scan, edit, replace(piece, where=where), label)
    if not parts:
        why = "it is protected, or painted already" if spared else "it is so already"
        raise BadInput(f"Nothing of this piece of {name} changes: {why}.")
    how_much = amount(sum(part.voxels for part in parts), scan.voxel_ml)
    became = names_of([label], classes_of(click.target))
    if label in (UNPAINTED, BACKGROUND):
        became = "painted as background" if label == BACKGROUND else "gone"
    text = f"{how_much} of {name}: {became} now."
    if click.tool is Tool.ACCEPT:
        text = f"Accepted: {how_much} of {name}, painted now."
    if click.tool is Tool.SPLIT and label == UNPAINTED:
        text = f"Split: {amount(piece.voxels, scan.voxel_ml)} of {name} is a piece by itself now, behind a gap."
    return Outcome(text, edit, parts, begun=begun)


def _not_known_yet(mask: Labels, scan: "Scan", piece: "Piece") -> "Piece":
    """Leave out what is known as right already: what was accepted, and corrections, which are effort; this is none."""
    review, labels = review_of(mask), np.asarray(scan.fold(voxels_of(mask)))
    assert review is not None
    slices, *box = piece.box
    known = [review.corrected(z, labels[z])[tuple(box)] for z in range(slices.start, slices.stop)]
    return replace(piece, where=piece.where & ~np.stack(known))


def warm_up() -> None:
    """Import what finding pieces needs, which takes half a second: call it in a thread."""
    import napari_unet.refinement.clicked  # noqa: F401


def _piece_of(click: Click, scan: "Scan") -> "tuple[Piece, int, NDArray[np.bool_]]":
    """Find the piece, what it becomes, and which of its voxels do."""
    # Imported here: it brings ITK along.
    from napari_unet.refinement.clicked import border_between, cut_off, piece_across, piece_at

    labels = np.asarray(scan.fold(voxels_of(click.source)))
    corners = _folded(click.corners, voxels_of(click.source).shape)
    region = [slice(None)] * 3
    z = int(corners[0, 0])
    region[0] = slice(z // scan.depth * scan.depth, (z // scan.depth + 1) * scan.depth)
    if click.one_slice:
        at = int(corners[0, click.across])
        region[click.across] = slice(at, at + 1)
    origin = np.array([side.start or 0 for side in region])
    looked_at, corners = labels[tuple(region)], corners - origin
    if click.tool is not Tool.SPLIT:
        inside = ((corners[0] >= 0) & (corners[0] < looked_at.shape)).all()
        if not inside or looked_at[tuple(corners[0])] in (UNPAINTED, BACKGROUND):
            raise BadInput(f'There is nothing of "{click.source.name}" here: click on one of its coloured regions.')
        piece = piece_at(looked_at, corners[0].tolist())
        label = {Tool.ACCEPT: piece.label, Tool.REJECT: click.removed}.get(click.tool, click.label)
        where = piece.where
    else:
        whole = piece_across(looked_at, corners, (UNPAINTED, BACKGROUND))
        piece = cut_off(whole, corners, click.across, scan.spacing_in_mm)
        to_class = click.label not in (UNPAINTED, BACKGROUND, piece.label)
        label, where = (click.label, piece.where) if to_class else (UNPAINTED, border_between(piece, whole))
    z_side, y_side, x_side = (
        slice(side.start + int(begin), side.stop + int(begin)) for side, begin in zip(piece.box, origin, strict=True)
    )
    return replace(piece, box=(z_side, y_side, x_side)), label, where


def _folded(corners: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Give voxels of a layer of some shape as (z, y, x) of its scan, with all other axes folded into z."""
    leading = tuple(corners[:, :-2].T)
    z = np.ravel_multi_index(leading, shape[:-2], mode="clip") if leading else np.zeros(len(corners), np.int64)
    return np.column_stack([z, corners[:, -2:]])


def _parts(
    click: Click, scan: "Scan", edit: Edit, piece: "Piece", label: int
) -> tuple[tuple[SlicePart, ...], bool, frozenset[int]]:
    """Collect what changes when a piece gets a label; tell whether some has to stay, and which slices were empty."""
    target = np.asarray(scan.fold(voxels_of(click.target)))
    leading = click.target.data.shape[:-2]
    parts, begun, spared, (slices, *box) = [], set(), False, piece.box
    for z, where in zip(range(slices.start, slices.stop), piece.where, strict=True):
        before = target[z]
        after = before.copy()
        here = after[tuple(box)]
        free = where & click.limits.leave_free(here)
        if click.source is not click.target:
            free &= here == UNPAINTED  # what a person painted stays
        spared |= bool((where & ~free).any())
        here[free] = label
        place = tuple(int(index) for index in np.unravel_index(z, leading)) if leading else ()
        if (part := SlicePart.of(edit, place, before, after)) is not None:
            parts.append(part)
            begun |= set() if before.any() else {z}
    return tuple(parts), spared, frozenset(begun)


class Accepted(LayerStep):
    """A piece of a mask that a person stands for as the model wrote it: it teaches, and stays.

    Parameters
    ----------
    name
        In words.
    viewer
        Where the mask is.
    mask
        The mask, with a review.
    piece
        What is accepted, (z, y, x) of the scan, and was not before.
    """

    def __init__(self, name: str, viewer: weakref.ref[ViewerModel], mask: Labels, piece: "Piece") -> None:
        self._slices, *self._box = piece.box
        self._shape = piece.where.shape
        self._added = np.packbits(piece.where)
        super().__init__(name, viewer, mask, self._added.nbytes)

    @property
    def _zs(self) -> range:
        return range(self._slices.start, self._slices.stop)

    def undo(self) -> None:
        """Stand for it no more."""
        self._vouch(False)

    def redo(self) -> None:
        """Stand for it."""
        self._vouch(True)

    def _vouch(self, stand: bool) -> None:
        layer = self.layer
        review: Any = None if layer is None else review_of(layer)
        if layer is None or review is None:
            return
        added = np.unpackbits(self._added, count=int(np.prod(self._shape))).astype(np.bool_).reshape(self._shape)
        for z, where in zip(self._zs, added, strict=True):
            sure = review.vouched(z, mask_shape_of(layer)[-2:])
            sure[tuple(self._box)][where] = stand
            review.vouch(z, sure)
        layer.refresh(thumbnail=False, extent=False)  # whoever counts or keeps what is reviewed hears of it
