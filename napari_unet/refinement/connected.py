"""The connected pieces of a shape."""

from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray


def connected_pieces(shape: NDArray[np.bool_], connectivity: Literal[6, 26]) -> NDArray[np.unsignedinteger]:
    """Count through the connected pieces of a (Z, Y, X) shape: each gets a number from 1, what is outside is 0."""
    # As bool, cc3d 4.1 reserves too few numbers for single pixels in a flat array, and fails.
    pieces: NDArray[np.unsignedinteger] = cc3d.connected_components(shape.view(np.uint8), connectivity=connectivity)
    return pieces
