"""What a class is in SNOMED CT, as DICOM segmentations name it, found by the name of the class.

The codes are those of DICOM's own lists of what segments are (PS3.16, context groups 7191, 7192 and 7194), as
pydicom holds them. A name that is not in them is a tissue, as in 3D Slicer.
"""

from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

SIDES = {"right": codes.SCT.Right, "left": codes.SCT.Left}
GROUPS = (
    (codes.SCT.AnatomicalStructure, codes.cid7192),
    (codes.SCT.MorphologicallyAbnormalStructure, codes.cid7194),
    (codes.SCT.Tissue, codes.cid7191),
)
"""The categories of segments, each with the group of kinds that it has."""
SYNONYMS = {
    "cancer": "neoplasm", "tumor": "neoplasm", "tumour": "neoplasm", "metastasis": "neoplasm secondary",
    "oesophagus": "esophagus", "oedema": "edema", "fat": "adipose tissue", "vessel": "blood vessel",
    "cord": "spinal cord", "airway": "trachea", "gallbladder": "gall bladder",
}  # fmt: skip
"""What people call some of them."""


@dataclass(frozen=True)
class SegmentCodes:
    """The codes of a segment.

    Parameters
    ----------
    category
        Such as anatomical structure.
    kind
        Such as lung.
    side
        Right or left; None when the name does not say.
    """

    category: Code
    kind: Code
    side: Code | None = None


def codes_for(name: str) -> SegmentCodes:
    """Find the codes of a class by its English name, such as "liver", "left kidneys" or "Tumour"."""
    words = name.lower().replace("_", " ").replace("-", " ").split()
    side = next((SIDES[word] for word in words if word in SIDES), None)
    wanted = " ".join(word for word in words if word not in SIDES)
    for spelling in (" ".join(words), wanted, wanted.removesuffix("s")):
        for category, group in GROUPS:
            kind = _within(group, SYNONYMS.get(spelling, spelling))
            if kind is not None:
                named_whole = spelling == " ".join(words)
                return SegmentCodes(category, kind, None if named_whole else side)
    return SegmentCodes(codes.SCT.Tissue, codes.SCT.Tissue)


def _within(group: object, spelling: str) -> Code | None:
    """Find a kind in a group by its meaning: the names of pydicom's attributes are meanings without spaces."""
    attribute = "".join(word.capitalize() for word in spelling.split())
    found = getattr(group, attribute, None) if attribute.isidentifier() else None
    return found if isinstance(found, Code) else None
