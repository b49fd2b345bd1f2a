"""NIfTI (.nii, .nii.gz) through nibabel, the only NIfTI path.

A NIfTI header can say twice where its voxels lie (sform and qform), and programs differ in which they
believe: nibabel takes the sform, ITK takes a qform of code 1 over an sform of code 2. Here the sform counts, as
in nibabel; both forms and their codes are kept in ``Geometry.source`` and written back, so that whatever
program shows the scan shows its mask at the same place. NIfTI's world is RAS, this program's is LPS: x and y
change sign.
"""

import gzip
from math import prod
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Extension
from numpy.typing import NDArray

from napari_unet.errors import BadInput
from napari_unet.io.contents import Contents, Legend, volumes
from napari_unet.io.gate import admit
from napari_unet.io.mask import Mask
from napari_unet.scan import Geometry, Unit

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
"""What a length unit is in mm; most files that name none mean mm."""
SAME_FORM = 1e-4
"""Matrices closer than this, in mm, say the same."""
LARGEST_NIFTI1 = 32767
"""The longest axis NIfTI-1 can have; NIfTI-2 beyond it."""
COMMENT = 6
"""The code of a header extension with plain text, skipped by every other program."""


def read(path: Path) -> Contents:
    """Read a scan of two to four dimensions; the fourth (time) becomes the leading axis T.

    Raises
    ------
    BadInput
        It holds colours, complex numbers or more than four dimensions.
    OutOfMemory
        It would not fit into memory.
    """
    image: Any = nib.load(path, mmap=False)
    shape = _plain_shape(path, image)
    admit(path, prod(shape) * image.get_data_dtype().itemsize, path.stat().st_size)
    array = _values(image).reshape(shape, order="F").T
    geometry, spacing, unit = _place(image.header)
    legend = _legend(image.header)
    classes = () if image.header.get_intent()[0] == "label" else None
    return Contents(array, "TZYX"[-array.ndim :], spacing, unit, geometry, classes).explained_by(legend)


read_labels = read


def _plain_shape(path: Path, image: Any) -> tuple[int, ...]:
    """Check that these are plain numbers in at most four dimensions; drop dimensions of length 1 behind the third."""
    shape = tuple(int(n) for n in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if image.get_data_dtype().kind not in "iuf":
        raise BadInput(f"{path} holds colours or complex numbers: save it as plain grey values.")
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise BadInput(f"{path} has the dimensions {shape}: an image, a volume or a series of volumes is needed.")
    return shape


def _values(image: Any) -> NDArray[Any]:
    """Read the voxels: as stored, or scaled; whole numbers stay whole numbers, fractions become float32."""
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    raw: NDArray[Any] = image.dataobj.get_unscaled()
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    if slope == 1 and intercept == 0:
        return raw
    scaled: NDArray[np.float64] = raw * np.float64(slope) + np.float64(intercept)
    if raw.dtype.kind in "iu" and float(slope).is_integer() and float(intercept).is_integer():
        smallest = np.result_type(np.min_scalar_type(int(scaled.min())), np.min_scalar_type(int(scaled.max())))
        return scaled.astype(smallest)
    return scaled.astype(np.float32)


def _place(header: Any) -> tuple[Geometry | None, tuple[float, float, float], Unit]:
    """Work out where the voxels lie: (geometry or None, (z, y, x) spacing, its unit)."""
    unit = header.get_xyzt_units()[0]
    to_mm = np.diag([*[MILLIMETRES.get(unit, 1.0)] * 3, 1.0])
    zooms = [float(z) for z in header["pixdim"][1:4]]
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    source: dict[str, Any] = {"sform_code": sform_code, "qform_code": qform_code}
    if not sform_code and not qform_code:
        # Nobody said where it lies. As ITK and 3D Slicer show it: at the origin, unturned.
        spacing = [zoom * to_mm[0, 0] if zoom > 0 else 1.0 for zoom in reversed(zooms)]
        if unit == "unknown" and spacing == [1.0, 1.0, 1.0]:
            return None, (1.0, 1.0, 1.0), "pixel"
        geometry = Geometry(Geometry.from_spacing(spacing).affine, source | {"form": "none"})
        return geometry, geometry.spacing, "mm"
    forms = {"sform": header.get_sform(), "qform": header.get_qform()}
    used, other, other_code = ("sform", "qform", qform_code) if sform_code else ("qform", "sform", sform_code)
    affine = to_mm @ forms[used]
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ValueError(f"its {used} is not a matrix that places voxels")
    source["form"] = used
    second = to_mm @ forms[other] if other_code else affine
    if not np.allclose(second, affine, rtol=0, atol=SAME_FORM):
        source["other_form"] = second.tolist()
    geometry = Geometry(RAS_TO_LPS @ affine, source)
    return geometry, geometry.spacing, "mm"


def _legend(header: Any) -> Legend | None:
    for extension in header.extensions:
        if extension.get_code() == COMMENT and (legend := Legend.parse(extension.content)):
            return legend
    return None


def check_name(path: Path) -> None:
    """Check that a mask of that name will be found: ITK takes the voxels of ``a.nii`` for those of ``a.nii.gz``.

    Raises
    ------
    BadInput
        The other one lies beside it.
    """
    compressed = path.name.lower().endswith(".gz")
    beside = path.with_name(path.name[: -len(".gz")] if compressed else f"{path.name}.gz")
    if beside.exists():
        raise BadInput(
            f"{beside.name} lies beside {path.name}: 3D Slicer, ITK-SNAP and other programs made with ITK would show "
            "the voxels of one for those of the other. Choose another name."
        )


def write(path: Path, mask: Mask) -> None:
    """Write a mask: uint8, intent "label", every text field blank.

    Raises
    ------
    BadInput
        The mask has more than four axes.
    """
    data = volumes(mask.labels, mask.axes).T
    kind: Any = nib.Nifti1Image if max(data.shape) <= LARGEST_NIFTI1 else nib.Nifti2Image
    image: Any = kind(data, None)
    header = image.header
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    header.set_intent("label", name="")
    header.set_zooms((*reversed(mask.spacing), 1.0)[: data.ndim])
    header.set_xyzt_units("mm" if mask.unit == "mm" else "unknown", "sec" if data.ndim == 4 else "unknown")
    if mask.geometry is not None:
        _set_forms(image, mask.geometry)
    header.extensions.append(Nifti1Extension("comment", Legend.of(mask).model_dump_json().encode()))
    # nibabel would leave a half-written file open when the disk is full.
    content = image.to_bytes()
    path.write_bytes(gzip.compress(content, 6, mtime=0) if path.suffix.lower() == ".gz" else content)


def _set_forms(image: Any, geometry: Geometry) -> None:
    """Write sform and qform with the codes they were read with; both as "scanner" when from elsewhere."""
    source = geometry.source
    affine = RAS_TO_LPS @ geometry.affine
    used = source.get("form", "sform")
    if used == "none":
        return
    other = np.asarray(source.get("other_form", affine))
    sform, qform = (affine, other) if used == "sform" else (other, affine)
    image.set_sform(sform, int(source.get("sform_code", 1)))
    image.set_qform(qform, int(source.get("qform_code", 1)))
