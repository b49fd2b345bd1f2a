"""The one table of file formats: which suffix is read and written by what, and what it can carry."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from napari_unet.errors import BadInput


@dataclass(frozen=True)
class Format:
    """A file format.

    A module of this package does the work, imported when first needed. It has ``read(path)``, and
    ``read_labels(path)`` when ``masks``; it, or the module named as ``writer``, has ``write(path, mask)`` when
    ``writes``, ``check_fits(scan)`` when it cannot hold every mask, and ``check_name(path)`` when not every name
    will do. They raise a ``UnetError`` where they can
    say something better than "damaged"; what else their library raises is caught once, by
    :mod:`napari_unet.io.files`.

    Parameters
    ----------
    suffixes
        Lower case, the usual one first.
    module
        Name of the module in :mod:`napari_unet.io`.
    masks
        Whether it can hold a mask: one that changes voxels when it compresses cannot.
    writes
        Whether masks are written in it.
    geometry
        Whether the position and orientation in the patient survive, besides the spacing.
    folder
        Whether it is a folder of files; then ``write_folder(path, mask, check)`` writes it whole or not at all.
    writer
        Name of the module that writes masks, when it is another; it has ``read_back(path, mask)`` too, for files
        that cannot be understood without what they were made from.
    names_patient
        Whether a file names the patient, because its format requires it.
    several
        Whether it can hold several scans; ``read`` and ``read_labels`` then take the name of one after the path.
    """

    suffixes: tuple[str, ...]
    module: str
    masks: bool = True
    writes: bool = False
    geometry: bool = False
    folder: bool = False
    writer: str = ""
    names_patient: bool = False
    several: bool = False

    def load(self) -> ModuleType:
        """Import the module that reads."""
        return import_module(f"napari_unet.io.{self.module}")

    def load_writer(self) -> ModuleType:
        """Import the module that writes masks."""
        return import_module(f"napari_unet.io.{self.writer or self.module}")


FORMATS = (
    Format((".nii.gz", ".nii"), "nifti", writes=True, geometry=True),
    Format((".seg.nrrd",), "seg_nrrd", writes=True, geometry=True),
    Format((".nrrd", ".mha"), "itk", writes=True, geometry=True),
    # In two files, which cannot be replaced as one: read only.
    Format((".nhdr", ".mhd"), "itk", geometry=True),
    Format((".ome.tif", ".ome.tiff"), "tiff", writes=True, writer="ome_tiff"),
    Format((".tif", ".tiff"), "tiff", writes=True),
    Format((".ome.zarr", ".zarr"), "ome_zarr_labels", writes=True, folder=True),
    Format((".png",), "picture"),
    Format((".jpg", ".jpeg"), "picture", masks=False),
    Format((".npy", ".npz"), "numpy_file", several=True),
    Format((".h5", ".hdf5"), "hdf5", several=True),
    Format((".dcm",), "dicom", writes=True, geometry=True, writer="dicom.seg_writer", names_patient=True, several=True),
)

READ_SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)
"""Every suffix a scan can have; a folder of DICOM files is read too."""
MASK_SUFFIXES = tuple(suffix for known in FORMATS if known.masks for suffix in known.suffixes)
"""Every suffix a mask can be read from."""
WRITE_SUFFIXES = tuple(suffix for known in FORMATS if known.writes for suffix in known.suffixes)
"""Every suffix a mask can be written with."""


def patient_notice(path: Path) -> str:
    """Say which patient data a mask file of that name holds because its format requires it; nothing for most."""
    if not format_of(path, WRITE_SUFFIXES).names_patient:
        return ""
    return (
        f"{path.name} names the patient: DICOM requires name, number, birth date and sex of the patient, identifiers, "
        "date, time and accession number of the study, and the referring physician, copied from the series."
    )


def suffix_of(path: Path) -> str | None:
    """Give the longest known suffix a file name ends with, in lower case; None when there is none."""
    fitting = [suffix for suffix in READ_SUFFIXES if path.name.lower().endswith(suffix)]
    return max(fitting, key=len, default=None)


def stem_of(path: Path) -> str:
    """Give a file name without its suffix, if that is a known one ("scan" for scan.nii.gz)."""
    suffix = suffix_of(path)
    return path.name[: -len(suffix)] if suffix and len(path.name) > len(suffix) else path.name


def format_of(path: Path, among: tuple[str, ...] = READ_SUFFIXES) -> Format:
    """Find the format of a file by its name.

    Parameters
    ----------
    path
        The file; it need not exist.
    among
        The suffixes that will do.

    Raises
    ------
    BadInput
        Its suffix is not among them; the message lists them.
    """
    suffix = suffix_of(path)
    if suffix is None or suffix not in among:
        raise BadInput(f'"{path.name}" is not a kind of file that will do here: choose one of {", ".join(among)}.')
    return next(known for known in FORMATS if suffix in known.suffixes)
