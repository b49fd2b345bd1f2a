"""Files that can be read once a question is answered: refused in one sentence, and the window asks."""

from dataclasses import dataclass
from typing import Any

from napari_unet.errors import BadInput


@dataclass(frozen=True)
class Choice:
    """One of several things in a file or folder, of which one can be read at a time.

    Parameters
    ----------
    key
        What to ask for to get it: the UID of a DICOM series, the path of a data set in a file.
    number
        What it is called for short, such as the number of a series.
    description
        What kind it is and what it is said to show; never anything about the patient.
    images
        Slices, or images.
    size
        Of each, "rows x columns".
    """

    key: str
    number: str
    description: str
    images: int
    size: str

    def __str__(self) -> str:
        return f"{self.number} ({self.description}, {self.images} images of {self.size})"


class Several(BadInput):
    """There are several things to read and none was chosen.

    Parameters
    ----------
    message
        The sentence for whoever cannot be asked.
    choices
        What there is.
    """

    def __init__(self, message: str, choices: tuple[Choice, ...]) -> None:
        super().__init__(message)
        self.choices = choices

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.choices)


class Uneven(BadInput):
    """Slices are missing or unevenly spaced; it can be read under an assumption.

    Parameters
    ----------
    message
        The sentence for whoever cannot be asked.
    assumption
        What would be assumed, and how wrong that may be, in a sentence.
    """

    def __init__(self, message: str, assumption: str) -> None:
        super().__init__(message)
        self.assumption = assumption

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.assumption)
