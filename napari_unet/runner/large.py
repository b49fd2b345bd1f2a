"""Predicting a scan that is too large for memory, in a child process: read and written chunk by chunk where it lies."""

import io
import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from napari_unet.bands import banded
from napari_unet.config import PredictConfig
from napari_unet.errors import BadInput
from napari_unet.events import Job
from napari_unet.io.growing_labels import GrowingLabels, noted
from napari_unet.model_file import load_model
from napari_unet.runner.exchange import Exchange, SharedScan
from napari_unet.runner.requests import PredictDone
from napari_unet.scan import Scan

MOST_BYTES = 20_000_000
"""What tells how to read a scan takes less than this; what takes more holds its voxels."""


@dataclass(frozen=True, slots=True)
class ChunkedScan:
    """A scan whose voxels stay where they are: how to read them travels, and its other fields as they are."""

    array: bytes
    rest: dict[str, Any]

    def open(self) -> Scan:
        """Make the scan around what reads its voxels as they are needed.

        Raises
        ------
        BadInput
            What reads them is not to be had in this process.
        """
        try:
            array = pickle.loads(self.array)
        except (ImportError, AttributeError) as error:
            raise BadInput(
                f'"{self.rest["name"]}" is read by something that only the window has ({error}): save it as OME-Zarr '
                "and open that."
            ) from error
        return Scan(array=banded(array), **self.rest)


def lent(scan: Scan, exchange: Exchange) -> ChunkedScan | SharedScan:
    """Let another process see a scan that is read as it is needed, such as of dask; it is copied if need be.

    Raises
    ------
    OutOfMemory
        It has to be copied, and the disk that holds temporary files is full.
    """
    import cloudpickle  # comes with dask, and without types

    told = _Limited()
    try:
        cloudpickle.dump(scan.array, told)
    except Exception:  # noqa: BLE001  whatever refuses to travel, such as an open file, is copied instead
        return exchange.put_scan(scan)
    return ChunkedScan(told.getvalue(), {f.name: getattr(scan, f.name) for f in fields(scan) if f.name != "array"})


class _Limited(io.BytesIO):
    """Takes so many bytes and no more."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > MOST_BYTES:
            raise OverflowError
        return super().write(data)


@dataclass(frozen=True, slots=True)
class LargePredictRequest:
    """Predict a scan into labels that grow on the disk, or go on with them.

    Parameters
    ----------
    model_paths, config, slices, part, look_at
        As for :class:`~napari_unet.runner.requests.PredictRequest`.
    scan
        What to predict.
    labels, made_by
        The folder of the labels and what tells their origin, as for
        :class:`~napari_unet.io.growing_labels.GrowingLabels`.
    """

    model_paths: tuple[str, ...]
    scan: ChunkedScan | SharedScan
    labels: str
    made_by: str
    config: PredictConfig
    slices: tuple[int, ...]
    part: tuple[slice, slice] | None = None
    look_at: int | None = None

    def job(self) -> Job[PredictDone]:
        """Predict."""
        from napari_unet.inference.prediction import predict_job

        models = [load_model(path) for path in self.model_paths]
        scan = self.scan.open()
        labels = GrowingLabels(Path(self.labels), scan, models[0].description.foreground, self.made_by)
        missing = tuple(z for z in self.slices if z not in labels.done)
        job = predict_job(
            models, scan, self.config, out=labels.array, slices=missing, part=self.part, look_at=self.look_at
        )
        prediction = yield from noted(job, labels)
        return PredictDone(prediction.slices, len(self.slices))
