"""Scans and masks on disk.

One table of formats (:mod:`~napari_unet.io.formats`), one module for each library. Masks are written whole or
not at all, and read back and compared before they replace an older file.
"""

from napari_unet.io.exports import EXPORT_SUFFIXES, export
from napari_unet.io.files import check_mask_fits, read_mask, read_scan, read_scan_or_mask, write_mask
from napari_unet.io.formats import FORMATS, MASK_SUFFIXES, READ_SUFFIXES, WRITE_SUFFIXES, Format, format_of
from napari_unet.io.growing_labels import GrowingLabels
from napari_unet.io.mask import Mask
from napari_unet.io.regrid import Regridded, onto_grid
from napari_unet.io.zarr_file import in_zarr

__all__ = [
    "EXPORT_SUFFIXES",
    "FORMATS",
    "MASK_SUFFIXES",
    "READ_SUFFIXES",
    "WRITE_SUFFIXES",
    "Format",
    "GrowingLabels",
    "Mask",
    "Regridded",
    "check_mask_fits",
    "export",
    "format_of",
    "in_zarr",
    "onto_grid",
    "read_mask",
    "read_scan",
    "read_scan_or_mask",
    "write_mask",
]
