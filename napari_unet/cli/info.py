"""``napari-unet info``: what a file is."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from napari_unet.cli.output import print_json
from napari_unet.cli.reading import SCAN_HELP, Reading, add_reading_options
from napari_unet.keeping.journal import read_abouts
from napari_unet.keeping.project import is_project, lies_on, read_project, state_of
from napari_unet.keeping.provenance import read_provenance
from napari_unet.model_file import SUFFIX, read_description


def add_to(commands: Any) -> None:
    """Add the command."""
    parser: ArgumentParser = commands.add_parser(
        "info",
        help="say what a scan, mask, model or project is",
        description="Say what a scan, a mask, a model or a project is, and where a mask comes from.",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help=f"a model, the folder of a project, or a scan: {SCAN_HELP}"
    )
    add_reading_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: Namespace) -> None:
    """Read and print."""
    if args.file.suffix.lower() == SUFFIX:
        facts = about_model(args.file)
    elif is_project(args.file):
        facts = about_project(args.file)
    else:
        facts = about_scan(args.file, Reading.of(args))
    if args.json:
        print_json(facts)
        return
    for name, value in facts.items():
        print(f"{name.replace('_', ' ')}: {_text(value)}")


def about_model(file: Path) -> dict[str, Any]:
    """Describe a model as JSON values."""
    description = read_description(file)
    return {"kind": "model", "summary": description.sentence(), **description.model_dump(mode="json")}


def about_project(folder: Path) -> dict[str, Any]:
    """Describe a project as JSON values."""
    project = read_project(folder)
    layers = [about for about in read_abouts(folder).values() if "name" in about]
    return {
        "kind": "project",
        "program": project.program,
        "scans": [
            {
                "name": scan.name,
                "state": state_of(scan, layers).value,
                "at": " / ".join(scan.origin),
                "layers": [about["name"] for about in layers if lies_on(scan, about)],
                "sha256": scan.checksum or None,
            }
            for scan in project.scans
        ],
        "models": {file.stem: read_description(file).sentence() for file in sorted(folder.glob(f"*{SUFFIX}"))},
        "chosen_model": project.model.removesuffix(SUFFIX) or None,
        "history": list(project.history),
    }


def about_scan(file: Path, reading: Reading) -> dict[str, Any]:
    """Describe a scan as JSON values."""
    scan = reading.scan(file)
    return {
        "kind": "scan",
        "name": scan.name,
        "axes": scan.axes,
        "shape": [int(n) for n in scan.mask_shape],
        "channels": list(scan.channel_names),
        "voxels": str(scan.array.dtype),
        "lowest": float(scan.array.min()),
        "highest": float(scan.array.max()),
        "spacing": list(scan.spacing),
        "unit": scan.unit,
        "affine": None if scan.geometry is None else scan.geometry.affine.tolist(),
        **({"provenance": known} if (known := read_provenance(file)) else {}),
    }


def _text(value: Any) -> str:
    """Write a JSON value in one line."""
    match value:
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {_text(inner)}" for name, inner in value.items())
        case list() if value and isinstance(value[0], dict | list):
            return "; ".join(map(_text, value))
        case list():
            return ", ".join(map(_text, value))
        case float():
            return f"{value:.6g}"
        case None:
            return "not known"
        case _:
            return str(value)
