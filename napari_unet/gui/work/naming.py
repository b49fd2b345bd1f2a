"""Names for models of a window."""

from itertools import count

from napari_unet.session import Session


def free_name(session: Session, name: str) -> str:
    """Give a name that no model of the window has: this one, or with the first number from 2 on that is free."""
    taken = {model.name for model in session.models}
    names = (name if number == 1 else f"{name} {number}" for number in count(1))
    return next(free for free in names if free not in taken)
