"""The parameters of refinement: its steps, their order, and filling between painted slices."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from napari_unet.parameters import Config, parameter


def _listed(value: Any) -> Any:
    """Read the list "1, 5" as it is typed or given on the command line."""
    return [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _points(value: Any) -> Any:
    """Read the points "12, 40, 51; 3, 20, 20" as they are typed or given on the command line."""
    return [_point(part) for part in value.split(";") if part.strip()] if isinstance(value, str) else value


def _point(text: str) -> tuple[float, ...]:
    try:
        z, y, x = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f'"{text.strip()}" is no point: write three numbers, and a semicolon between points') from None
    return (z, y, x)


ClassNumbers = Annotated[tuple[Annotated[int, Field(ge=1, le=254)], ...], BeforeValidator(_listed)]
Points = Annotated[tuple[tuple[float, float, float], ...], BeforeValidator(_points)]


class _Step(Config):
    """One step of refinement."""

    looks_at: ClassVar[frozenset[Literal["scan", "region", "probabilities"]]] = frozenset()
    """What it looks at beside the mask. It cannot do without the scan or the region, but without probabilities."""
    enabled: bool = True
    """Whether the step is done."""
    classes: ClassNumbers = ()
    """Which classes it works on; none named means all."""


class Opening(_Step):
    """Remove what is thinner than twice the radius (binary opening with a ball)."""

    kind: Literal["opening"] = "opening"
    """Which step this is."""
    radius: float = parameter(2.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """Radius of the ball."""


class Closing(_Step):
    """Close gaps narrower than twice the radius (binary closing with a ball)."""

    kind: Literal["closing"] = "closing"
    """Which step this is."""
    radius: float = parameter(2.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """Radius of the ball."""


class Grow(_Step):
    """Grow classes into the background; where two meet, the nearer one wins."""

    kind: Literal["grow"] = "grow"
    """Which step this is."""
    radius: float = parameter(1.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """How far to grow."""
    into: ClassNumbers = Field((), json_schema_extra={"empty": "background"})
    """Classes that lose voxels to those that grow; none named means that only background does."""


class Shrink(_Step):
    """Shrink classes; what they leave becomes background."""

    kind: Literal["shrink"] = "shrink"
    """Which step this is."""
    radius: float = parameter(1.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """How far to shrink."""
    from_neighbours: bool = False
    """Shrink away from other classes too, which leaves a gap between them; off: from the background only."""


class FillHoles(_Step):
    """Fill background that a class encloses."""

    kind: Literal["fill-holes"] = "fill-holes"
    """Which step this is."""
    by_slice: bool = True
    """Enclosed within its slice is enough; off: enclosed in all three dimensions."""


class RemoveSmall(_Step):
    """Remove connected pieces of a class below a volume."""

    kind: Literal["remove-small"] = "remove-small"
    """Which step this is."""
    volume: float = parameter(0.5, at_least=0, at_most=1e6, step=0.1, unit="ml")
    """Smaller pieces go. On a single slice or without a spacing see ``voxels``."""
    voxels: int = parameter(0, at_least=0, at_most=10**9, step=1, unit="voxels")
    """Pieces of fewer voxels go too."""


class KeepLargest(_Step):
    """Keep only the largest connected pieces of each class."""

    kind: Literal["keep-largest"] = "keep-largest"
    """Which step this is."""
    pieces: int = parameter(1, at_least=1, at_most=1000, step=1)
    """How many pieces to keep."""


class KeepTouching(_Step):
    """Keep only the connected pieces that touch a point; a class that no point touches stays as it is."""

    kind: Literal["keep-touching"] = "keep-touching"
    """Which step this is."""
    points: Points = Field((), json_schema_extra={"empty": "none", "metavar": "Z,Y,X"})
    """Points: slice, row and column, counted from 0, such as "12, 40, 51; 3, 20, 20"."""
    points_in: Literal["voxels", "mm"] = "voxels"
    """Whether points are voxels (slice, row, column) or lie in the patient (x, y, z in LPS mm, as in DICOM)."""
    reach: float = parameter(0.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """A piece this near to a point touches it."""


class Smooth(_Step):
    """Smooth the edges with a Gaussian: classes together, so that no gap opens, or each by itself."""

    kind: Literal["smooth"] = "smooth"
    """Which step this is."""
    sigma: float = parameter(1.5, at_least=0, at_most=1000, step=0.5, unit="mm")
    """Width of the Gaussian."""
    method: Literal["together", "distance"] = "together"
    """Together: each voxel to its strongest class. Distance: each class by itself, by the distance to its edge."""


class Split(_Step):
    """Split objects of a class that touch, such as cells, at their necks (watershed of the distance to the edge)."""

    kind: Literal["split"] = "split"
    """Which step this is."""
    neck: float = parameter(1.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """Bodies are split where the neck between them is thinner than both by this much, in radius."""
    by_slice: bool = False
    """Look at each slice by itself; off: in all three dimensions, which is slower and whose preview is not exact."""
    number: bool = False
    """Give each object a class number of its own (254 at most); off: one voxel of background parts objects."""


class WithinIntensities(_Step):
    """Remove voxels whose intensity in the scan lies outside a range."""

    looks_at = frozenset({"scan"})
    kind: Literal["within-intensities"] = "within-intensities"
    """Which step this is."""
    lowest: float = parameter(-1000.0, at_least=-1e9, at_most=1e9, step=10)
    """Darker voxels go."""
    highest: float = parameter(1000.0, at_least=-1e9, at_most=1e9, step=10)
    """Brighter voxels go."""
    channel: int = parameter(0, at_least=0, at_most=1000, step=1)
    """Which channel of the scan to look at, counted from 0."""

    @model_validator(mode="after")
    def _ordered(self) -> "WithinIntensities":
        if self.lowest > self.highest:
            raise ValueError(f"the lowest intensity {self.lowest:g} lies over the highest {self.highest:g}")
        return self


class WithinRegion(_Step):
    """Remove voxels that lie outside another mask, the region."""

    looks_at = frozenset({"region"})
    kind: Literal["within-region"] = "within-region"
    """Which step this is."""
    margin: float = parameter(0.0, at_least=0, at_most=1000, step=0.5, unit="mm")
    """Voxels this near to the region stay too."""
    parts: ClassNumbers = ()
    """Which classes of the other mask are the region; none named means all."""


class DenseCRF(_Step):
    """Move edges to where the scan's intensities change (dense conditional random field)."""

    looks_at = frozenset({"scan", "probabilities"})
    kind: Literal["dense-crf"] = "dense-crf"
    """Which step this is."""
    appearance_width: float = parameter(5.0, at_least=0.1, at_most=1000, step=0.5, unit="mm")
    """How far apart voxels of like intensity still speak for one another."""
    appearance_weight: float = parameter(3.0, at_least=0, at_most=100, step=0.5)
    """How much the scan counts; 0 leaves it out."""
    intensity_width: float = parameter(0.03, at_least=0.005, at_most=1, step=0.01)
    """How alike intensities must be: a share of the scan's range, darkest and brightest 0.5 % left out."""
    smoothness_weight: float = parameter(1.0, at_least=0, at_most=100, step=0.5)
    """How much smooth edges count, whatever the scan shows; 0 leaves them out."""
    smoothness_width: float = parameter(1.0, at_least=0.1, at_most=1000, step=0.5, unit="mm")
    """How far apart voxels still smooth one another."""
    steps: int = parameter(5, at_least=1, at_most=50, step=1)
    """How many times voxels ask one another."""
    by_slice: bool = True
    """Each slice by itself; off: in all three dimensions, which is slower and whose preview is not exact."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    """Where it computes: cpu, the processor, is fast and takes any size; cuda and mps are GPUs."""
    confidence: float = parameter(0.8, at_least=0.5, at_most=1, step=0.05)
    """How sure the mask is where there are no probabilities, or where it was changed after the prediction."""


RefineStep = Annotated[
    Opening
    | Closing
    | Grow
    | Shrink
    | FillHoles
    | RemoveSmall
    | KeepLargest
    | KeepTouching
    | Smooth
    | Split
    | WithinIntensities
    | WithinRegion
    | DenseCRF,
    Field(discriminator="kind"),
]


class RefineConfig(Config):
    """The steps of a refinement, in their order."""

    steps: tuple[RefineStep, ...] = (RemoveSmall(), FillHoles(), Smooth(enabled=False))
    """What is done, first to last."""

    @property
    def enabled(self) -> tuple[RefineStep, ...]:
        """The steps that are switched on."""
        return tuple(step for step in self.steps if step.enabled)

    @property
    def looks_at(self) -> frozenset[str]:
        """What the steps that are switched on look at beside the mask: "scan", "region", "probabilities"."""
        return frozenset[str]().union(*(step.looks_at for step in self.enabled))


class FillBetweenConfig(Config):
    """How the slices between painted ones are filled."""

    axis: Literal["z", "y", "x"] = "z"
    """The axis across which slices were painted."""
    most_gap: int = parameter(0, at_least=0, at_most=10_000, step=1, unit="slices")
    """Wider gaps between painted slices stay unpainted; 0 fills gaps of any width."""
    classes: ClassNumbers = ()
    """Which classes to fill; none named means all, and painted background too."""
