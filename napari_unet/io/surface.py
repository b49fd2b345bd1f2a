"""The surface of a class as a mesh, STL or OBJ, for printing and planning: in mm, where it lies in the patient.

Marching cubes around the voxels of the class, without smoothing; corners are cut by up to half a voxel. Coordinates are
LPS, as in DICOM; the files say so in the words that 3D Slicer looks for. Lorensen and Cline 1987,
https://doi.org/10.1145/37401.37422, in the variant without holes of Lewiner et al. 2003,
https://doi.org/10.1080/10867651.2003.10487582.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput
from napari_unet.io.contents import volumes
from napari_unet.io.mask import Mask
from napari_unet.scan import Geometry

SUFFIXES = (".stl", ".obj")
SPACE = "SPACE=LPS"
"""How 3D Slicer knows the coordinates of a mesh."""
TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
"""A triangle in a binary STL file."""


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed mesh.

    Parameters
    ----------
    vertices
        (N, 3) float32, LPS mm (voxels where the mask does not say how large they are).
    triangles
        (M, 3) indices into ``vertices``, counter-clockwise seen from outside.
    """

    vertices: NDArray[np.float32]
    triangles: NDArray[np.int64]

    @property
    def enclosed(self) -> float:
        """Volume within, in mm³."""
        a, b, c = (self.vertices[self.triangles[:, i]].astype(np.float64) for i in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def surface_of(mask: Mask, label: int) -> Surface:
    """Make the surface of a class.

    Parameters
    ----------
    mask
        One volume, or a flat image.
    label
        The class.

    Raises
    ------
    BadInput
        The mask is a series of volumes, or holds no voxel of the class.
    """
    from skimage.measure import marching_cubes  # imported here: it takes a second

    labels = volumes(mask.labels, mask.axes)
    if labels.ndim > 3:
        raise BadInput("a surface is made of one volume, and this mask is a series of them: save one of them first.")
    inside = labels == label
    if not inside.any():
        raise BadInput(f"the mask has no voxel of class {label}, so there is no surface.")
    filled = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    first = np.array([places[0] for places in filled])
    box = tuple(slice(places[0], places[-1] + 1) for places in filled)
    found, triangles, _, _ = marching_cubes(np.pad(inside[box], 1).astype(np.float32), 0.5)
    corners = np.column_stack([(found + first - 1)[:, ::-1], np.ones(len(found))])
    affine = (mask.geometry or Geometry.from_spacing(mask.spacing)).affine
    surface = Surface((corners @ affine.T)[:, :3].astype(np.float32), triangles.astype(np.int64))
    return surface if surface.enclosed > 0 else Surface(surface.vertices, surface.triangles[:, ::-1])


def write_surfaces(path: Path, mask: Mask) -> list[Path]:
    """Write the surfaces of the classes that occur in a mask: one OBJ file, or one STL file a class.

    Parameters
    ----------
    path
        A file name with one of ``SUFFIXES``. When there are several classes, those of STL files have the class's
        name behind.
    mask
        One volume.

    Returns
    -------
    list of pathlib.Path
        The files, each written whole or not at all.

    Raises
    ------
    BadInput
        There is nothing to make a surface of, or a file cannot be written.
    """
    occurring = set(np.unique(mask.labels).tolist())
    classes = [info for info in mask.classes if info.label in occurring]
    if not classes:
        raise BadInput("the mask is empty: there is no surface to write.")
    files = surface_files(path, classes)
    for file, infos in files.items():
        surfaces = [surface_of(mask, info.label) for info in infos]
        content = _obj(infos, surfaces) if file.suffix.lower() == ".obj" else _stl(surfaces[0])
        try:
            with written_whole(file, check=partial(_check, meant=surfaces)) as temporary:
                temporary.write_bytes(content)
        except OSError as error:
            raise BadInput(f"{file} could not be written ({error.strerror}): an older file is untouched.") from error
    return list(files)


def surface_files(path: Path, classes: Sequence[ClassInfo]) -> dict[Path, list[ClassInfo]]:
    """Name the files for the surfaces of some classes, each with the classes in it."""
    if path.suffix.lower() == ".obj" or len(classes) == 1:
        return {path: list(classes)}
    names = [re.sub(r"[^\w-]+", "_", info.name)[:40] for info in classes]
    return {
        path.with_name(f"{path.stem}-{info.label}-{name}{path.suffix}"): [info]
        for name, info in zip(names, classes, strict=True)
    }


def _stl(surface: Surface) -> bytes:
    """Write a mesh as binary STL."""
    triangles = np.zeros(len(surface.triangles), TRIANGLE)
    corners = surface.vertices[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    triangles["normal"] = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    triangles["corners"] = corners
    return f"napari-unet {SPACE}".encode().ljust(80) + np.uint32(len(triangles)).tobytes() + triangles.tobytes()


def _obj(classes: Sequence[ClassInfo], surfaces: Sequence[Surface]) -> bytes:
    """Write meshes as OBJ, one object a class."""
    lines = [f"# napari-unet {SPACE}"]
    start = 1
    for info, surface in zip(classes, surfaces, strict=True):
        lines.append(f"o {' '.join(info.name.split())}")
        lines += [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in surface.vertices.tolist()]
        lines += [f"f {a} {b} {c}" for a, b, c in (surface.triangles + start).tolist()]
        start += len(surface.vertices)
    return "\n".join([*lines, ""]).encode()


def _check(written: Path, meant: Sequence[Surface]) -> None:
    """Read the triangles of a file back and compare them with those that were meant."""
    corners = np.concatenate([surface.vertices[surface.triangles] for surface in meant])
    raw = written.read_bytes()
    if written.suffix.lower() == ".obj":
        lines = raw.decode().splitlines()
        vertices = np.array([line.split()[1:] for line in lines if line.startswith("v ")], np.float32)
        faces = np.array([line.split()[1:] for line in lines if line.startswith("f ")], np.int64)
        read = vertices[faces - 1]
    else:
        read = np.frombuffer(raw, TRIANGLE, offset=84)["corners"]
    if not np.array_equal(read, corners):
        raise BadInput(f"{written.name} did not read back as it was written: an older file is untouched. Try again.")
