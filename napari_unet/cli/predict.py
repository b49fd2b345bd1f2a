"""``napari-unet predict``: the mask of a scan, or of many."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.annotation import ClassInfo, count_labels
from napari_unet.cli.files import check_output, make_folder, save_mask, stem_of
from napari_unet.cli.options import add_options, config_from
from napari_unet.cli.output import notice, print_json
from napari_unet.cli.reading import SCAN_HELP, Reading, add_reading_options, files_of
from napari_unet.cli.running import run as run_job
from napari_unet.config import PredictConfig
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput, UnetError
from napari_unet.io import WRITE_SUFFIXES, GrowingLabels, Mask, check_mask_fits, in_zarr
from napari_unet.io.growing_labels import noted, origin
from napari_unet.keeping.provenance import about_model, write_provenance
from napari_unet.model_file import Model, load_model
from napari_unet.review.looking import Suggestion, where_next
from napari_unet.scan import Scan

COMMON = ("device", "threads")


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "predict",
        help="predict the masks of scans",
        description="Predict the mask of a scan with a model; of several scans into a folder.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL.unet", help="the model")
    parser.add_argument("scans", nargs="+", type=Path, metavar="SCAN", help=f"a scan: {SCAN_HELP}")
    add_reading_options(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="MASK",
        help="the mask to write; of several scans the folder to write masks to, made when missing. NAME.zarr, or "
        "IMAGE.zarr/labels/NAME, is OME-Zarr, which grows slice by slice: a prediction that was ended goes on there",
    )  # fmt: skip
    parser.add_argument(
        "--suffix", default=".nii.gz", help="how the names of masks in a folder end, which is their format [.nii.gz]"
    )
    parser.add_argument(
        "--probabilities", type=Path, metavar="FILE.npz",
        help='also write the probabilities of one scan: "probabilities", float16, classes in front of its axes, '
        'and "labels" and "names" of these classes',
    )  # fmt: skip
    parser.add_argument(
        "--uncertainty", type=Path, metavar="FILE.npz",
        help='also write how much doubt is left about one scan: "uncertainty", float16 from 0 (certain) to 1, which is '
        "the entropy of the probabilities; see also --views and --dropout-samples",
    )  # fmt: skip
    parser.add_argument(
        "--with-model", type=Path, action="append", default=[], metavar="MODEL.unet",
        help="a further model of the same channels and classes, to average with; may be given again",
    )  # fmt: skip
    parser.add_argument(
        "--slices", type=slice_numbers, metavar="3,5-9", help="only these slices, counted from 0; others are left empty"
    )
    parser.add_argument(
        "--part", type=rows_and_columns, metavar="100-300,50-250",
        help="only these rows and columns, counted from 0; others are left empty",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_options(parser, PredictConfig, COMMON)
    parser.set_defaults(run=run, usage_error=parser.error)


def slice_numbers(text: str) -> tuple[int, ...]:
    """Read slice numbers such as "3,5-9"."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise ArgumentTypeError(f"{text!r} does not name slices: write it like 3,5-9")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def rows_and_columns(text: str) -> tuple[slice, slice]:
    """Read rows and columns such as "100-300,50-250", both ends included."""
    found = re.fullmatch(r"(\d+)-(\d+),(\d+)-(\d+)", text)
    if found is None:
        raise ArgumentTypeError(f"{text!r} names no rows and columns: write them like 100-300,50-250")
    top, bottom, left, right = map(int, found.groups())
    return slice(top, bottom + 1), slice(left, right + 1)


def run(args: Namespace) -> None:
    """Predict the scans one by one; one that fails does not keep the others from being done."""
    if len(args.scans) > 1 and (args.probabilities or args.uncertainty):
        args.usage_error("--probabilities and --uncertainty go with one scan")
    config = config_from(args, PredictConfig())
    masks = outputs(args)

    wish = Wish(args.slices, args.part, args.probabilities, args.uncertainty)
    files = (args.model, *args.with_model)
    models, known = [load_model(path) for path in files], [about_model(path) for path in files]
    done: list[Predicted] = []
    failures = 0
    for scan_file, mask_file in zip(args.scans, masks, strict=True):
        try:
            done.append(predict_one(models, scan_file, mask_file, config, wish, Reading.of(args)))
            write_provenance(mask_file, {"model": done[-1].voxels}, known)
        except UnetError as error:
            if len(masks) == 1:
                raise
            notice(f"{scan_file}: {error}")
            failures += 1
            continue
        if not args.json:
            print(done[-1].sentence())
            if done[-1].look_next is not None:
                notice(done[-1].look_next.sentence())
        if done[-1].stopped:
            break
    if args.json:
        print_json({"predictions": [one.as_json() for one in done]})
    if failures:
        raise BadInput(f"{failures} of {len(masks)} scans could not be predicted, as said above.")


def outputs(args: Namespace) -> list[Path]:
    """Name the mask of each scan, and check that all can be written."""
    inputs = [args.model, *args.with_model, *(file for scan in args.scans for file in files_of(scan))]
    for path in filter(None, (args.probabilities, args.uncertainty)):
        check_output(path, (".npz",), inputs)
    if len(args.scans) == 1 and in_zarr(args.output):
        return [args.output]
    if len(args.scans) == 1 and not args.output.is_dir():
        check_output(args.output, WRITE_SUFFIXES, inputs)
        return [args.output]
    make_folder(args.output)
    masks = [args.output / f"{stem_of(files_of(scan)[0])}{args.suffix}" for scan in args.scans]
    for scan, mask in zip(args.scans, masks, strict=True):
        if masks.count(mask) > 1:
            raise BadInput(f"several scans would have the mask {mask}: predict {scan} by itself.")
        check_output(mask, WRITE_SUFFIXES, inputs)
    return masks


@dataclass(frozen=True)
class Wish:
    """What is wanted of a scan: which slices, rows and columns (all when None), and what besides the mask."""

    slices: Sequence[int] | None = None
    part: tuple[slice, slice] | None = None
    probabilities: Path | None = None
    uncertainty: Path | None = None


@dataclass(frozen=True)
class Predicted:
    """What came of one scan."""

    scan: Path
    mask: Path
    volumes: dict[str, float]
    unit: str
    slices_done: int
    slices: int
    stopped: bool
    voxels: int
    look_next: Suggestion | None = None

    @property
    def partial(self) -> bool:
        """Whether Ctrl-C came before all wanted slices were done."""
        return self.slices_done < self.slices

    def sentence(self) -> str:
        """Say where the mask is, and whether it is whole."""
        partial = f" is partial: {self.slices_done} of {self.slices} slices are done, the others are empty"
        return f"{self.mask}{partial if self.partial else ''}"

    def as_json(self) -> dict[str, Any]:
        """Give all as JSON values."""
        return {
            "scan": str(self.scan),
            "mask": str(self.mask),
            "volumes": self.volumes,
            "unit": self.unit,
            "slices_done": self.slices_done,
            "slices": self.slices,
            "partial": self.partial,
            "look_next": None if self.look_next is None else asdict(self.look_next),
        }


def predict_one(
    models: Sequence[Model],
    scan_file: Path,
    mask_file: Path,
    config: PredictConfig,
    wish: Wish = Wish(),
    reading: Reading = Reading(),
) -> Predicted:
    """Predict a scan and write its mask, and what else is wished.

    Raises
    ------
    UnetError
        The scan cannot be read or does not belong to the models, or the mask cannot be written.
    """
    from napari_unet.inference.prediction import predict_job  # imports torch

    scan = reading.scan(scan_file)
    if in_zarr(mask_file):
        return predict_into_zarr(models, scan_file, scan, mask_file, config, wish)
    check_mask_fits(mask_file, scan)
    classes = models[0].description.classes
    probabilities = np.zeros((len(classes), *scan.grid), np.float16) if wish.probabilities else None
    uncertainty = np.zeros(scan.grid, np.float16) if wish.uncertainty else None
    job = predict_job(
        models, scan, config,
        probabilities=probabilities, uncertainty=uncertainty, slices=wish.slices, part=wish.part,
    )  # fmt: skip
    ran = run_job(job, f"predict {scan.name}")
    mask = Mask.on(scan, scan.unfold(ran.result.labels), ran.result.classes)
    save_mask(mask_file, mask)
    if wish.probabilities and probabilities is not None:
        write_arrays(
            wish.probabilities,
            probabilities=np.stack([scan.unfold(of_class) for of_class in probabilities]),
            labels=np.array([info.label for info in classes], np.uint8),
            names=np.array([info.name for info in classes]),
        )
    if wish.uncertainty and uncertainty is not None:
        write_arrays(wish.uncertainty, uncertainty=scan.unfold(uncertainty))
    return Predicted(
        scan=scan_file,
        mask=mask_file,
        volumes=volumes(count_labels(mask.labels), scan, ran.result.classes),
        unit="ml" if scan.unit == "mm" else "voxels",
        slices_done=len(ran.result.slices),
        slices=scan.grid[0] if wish.slices is None else len(wish.slices),
        stopped=ran.stopped,
        voxels=int(np.count_nonzero(mask.labels)),
        look_next=where_next(scan.grid[0], (), ran.result.looks) if ran.result.looks else None,
    )


def predict_into_zarr(
    models: Sequence[Model], scan_file: Path, scan: Scan, mask_file: Path, config: PredictConfig, wish: Wish
) -> Predicted:
    """Predict a scan into labels that grow on the disk, or go on with them; neither need fit into memory.

    Raises
    ------
    UnetError
        As :func:`predict_one`; also when more than labels is wished for.
    """
    from napari_unet.inference.prediction import predict_job  # imports torch

    if wish.probabilities or wish.uncertainty:
        raise BadInput(f"{mask_file} takes labels only: leave --probabilities and --uncertainty away.")
    classes = models[0].description.foreground
    made_by = origin([model.description for model in models], config, wish.part)
    labels = GrowingLabels(mask_file, scan, classes, made_by)
    wanted = set(range(scan.grid[0])) if wish.slices is None else set(wish.slices)
    job = predict_job(models, scan, config, out=labels.array, slices=sorted(wanted - labels.done), part=wish.part)
    ran = run_job(noted(job, labels), f"predict {scan.name}")
    return Predicted(
        scan=scan_file,
        mask=mask_file,
        volumes=volumes(labels.counts(), scan, classes),
        unit="ml" if scan.unit == "mm" else "voxels",
        slices_done=len(labels.done & wanted),
        slices=len(wanted),
        stopped=ran.stopped,
        voxels=int(labels.counts()[1:].sum()),
    )


def volumes(counts: NDArray[np.int64], scan: Scan, classes: Sequence[ClassInfo]) -> dict[str, float]:
    """Measure each class: ml, or voxels when the spacing of the scan is not known."""
    voxel = prod(scan.spacing) / 1000 if scan.unit == "mm" else 1
    return {info.name: round(float(counts[info.label]) * voxel, 3) for info in classes if info.label}


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays by name, with the axes of the scan."""
    with written_whole(path) as temporary:
        np.savez(temporary, **arrays)
