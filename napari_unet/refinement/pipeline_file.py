"""The steps of a refinement as a JSON file, so that they can be kept and done again."""

from pathlib import Path

from pydantic import ValidationError

from napari_unet.config import RefineConfig
from napari_unet.durable import written_whole
from napari_unet.errors import BadInput


def read_pipeline(file: Path) -> RefineConfig:
    """Read the steps of a refinement.

    Parameters
    ----------
    file
        JSON such as ``{"steps": [{"kind": "opening", "radius": 3}]}``; what is not named has its default.

    Raises
    ------
    BadInput
        The file is missing or does not describe steps; the message says which step and what is wrong with it.
    """
    try:
        return RefineConfig.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the steps {file}: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = " > ".join(_counted(part) for part in first["loc"])
        raise BadInput(f"the steps {file} will not do: {place}: {first['msg']}.") from error


def write_pipeline(file: Path, config: RefineConfig) -> None:
    """Write the steps of a refinement with all their parameters, as :func:`read_pipeline` reads them.

    Raises
    ------
    BadInput
        The file cannot be written.
    """
    with written_whole(file) as temporary:
        temporary.write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _counted(part: int | str) -> str:
    """Count steps from 1, as people do."""
    return str(part + 1) if isinstance(part, int) else part
