"""Whether a model is better than the one before it, slice by slice, on what a person said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOTABLE = 0.002
"""A smaller difference in Dice is neither gained nor lost."""


@dataclass(frozen=True)
class Ground:
    """Something both models were measured on.

    Parameters
    ----------
    what
        In words, as in "Dice on ...".
    dice
        By slice (index along Z): the Dice coefficient of the model before, and of the one now.
    """

    what: str
    dice: Mapping[int, tuple[float, float]]

    @property
    def before(self) -> float:
        """Mean Dice of the model before."""
        return sum(before for before, _ in self.dice.values()) / len(self.dice)

    @property
    def now(self) -> float:
        """Mean Dice of the model now."""
        return sum(now for _, now in self.dice.values()) / len(self.dice)

    @property
    def gained(self) -> tuple[int, ...]:
        """Slices that the model now does better on."""
        return tuple(z for z, (before, now) in self.dice.items() if now - before > NOTABLE)

    @property
    def lost(self) -> tuple[int, ...]:
        """Slices that the model now does worse on."""
        return tuple(z for z, (before, now) in self.dice.items() if before - now > NOTABLE)

    @property
    def slices(self) -> tuple[int, ...]:
        """All slices, those first that lost most."""
        return tuple(sorted(self.dice, key=lambda z: self.dice[z][1] - self.dice[z][0]))

    def sentence(self) -> str:
        """Say it in one line ("On the 2 slices: Dice 0.700 before, 0.750 now; better on 1, worse on 0.")."""
        worse = f" ({', '.join(map(str, self.lost[:5]))}{', …' if len(self.lost) > 5 else ''})" if self.lost else ""
        return (
            f"On {self.what}: Dice {self.before:.3f} before, {self.now:.3f} now; "
            f"better on {len(self.gained)}, worse on {len(self.lost)}{worse}."
        )


def verdict(grounds: Sequence[Ground]) -> str:
    """Say in a sentence how two models compare on the first of some grounds; a table tells of all."""
    if not grounds:
        return "No slice is marked as right, so the two models cannot be compared: look before you keep it."
    return grounds[0].sentence()


def slices_found_right(count: int) -> str:
    """Name slices that a person marked as right ("the 2 slices you found right")."""
    return "the slice you found right" if count == 1 else f"the {count} slices you found right"
