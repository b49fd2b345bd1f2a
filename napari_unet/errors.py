"""What can go wrong, as sentences a user can act on.

Every message says what, where, and what to do. None of these is a ``RuntimeError``: Qt worker libraries
swallow those, and torch raises them for its own reasons.
"""


class UnetError(Exception):
    """Anything this program refuses or could not do; its text is meant for the user."""


class BadInput(UnetError):
    """A scan, mask, path or option that cannot be used as it is."""


class NothingPainted(BadInput):
    """There is too little paint to learn from: none, one class only, or a layer of another shape."""


class BadModelFile(UnetError):
    """A model file that is damaged, newer than this program, or not a model at all."""


class ModelMismatch(UnetError):
    """A scan and a model that do not belong together, such as one with other channels."""


class OutOfMemory(UnetError):
    """The scan, patch or network does not fit into the memory at hand."""


class MissingDependency(UnetError):
    """An optional library is needed and not installed; the text says how to install it."""


class JobFailed(UnetError):
    """A job ended for a reason this program did not foresee, or its process was ended from outside.

    Parameters
    ----------
    message
        What happened and what to do, in words for the user.
    details
        The traceback or the last output of the process, for whoever mends it.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details

    def __reduce__(self) -> tuple[type["JobFailed"], tuple[str, str]]:
        return type(self), (str(self), self.details)
