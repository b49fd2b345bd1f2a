"""Steps as a file: what is written is read back, and what is wrong is said."""

import typing

import pytest

from napari_unet.config import KeepTouching, RefineConfig, RefineStep, Smooth, WithinIntensities
from napari_unet.errors import BadInput
from napari_unet.refinement.pipeline_file import read_pipeline, write_pipeline

KINDS = typing.get_args(typing.get_args(RefineStep)[0])


def test_every_step_survives(tmp_path):
    config = RefineConfig(
        steps=(
            *(kind() for kind in KINDS),
            Smooth(enabled=False, classes=(3, 1), sigma=1 / 3, method="distance"),
            KeepTouching(points=[(1, 2.5, 3), (0, 0, 0.1)], points_in="mm"),
            WithinIntensities(lowest=-1000.25, highest=0.1, channel=2),
        )
    )
    write_pipeline(tmp_path / "steps.json", config)
    assert read_pipeline(tmp_path / "steps.json") == config
    assert [file.name for file in tmp_path.iterdir()] == ["steps.json"]


def test_what_is_not_named_has_its_default(tmp_path):
    file = tmp_path / "steps.json"
    file.write_text('{"steps": [{"kind": "smooth"}, {"kind": "keep-touching", "points": [[1, 2, 3]]}]}')
    assert read_pipeline(file) == RefineConfig(steps=(Smooth(), KeepTouching(points=[(1, 2, 3)])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"steps": [{"kind": "smooth"}, {"kind": "polish"}]}', "steps > 2: .*'polish'"),
        ('{"steps": [{"kind": "smooth", "sigma": -1}]}', "steps > 1 > smooth > sigma: .*greater than"),
        ('{"steps": [{"kind": "smooth", "radius": 1}]}', "steps > 1 > smooth > radius: .*not permitted"),
        ('{"steps": [{"kind": "within-intensities", "lowest": 5, "highest": 4}]}', "5 lies over the highest 4"),
        ('{"steps": [{"kind": "keep-touching", "points": "1, 2"}]}', '"1, 2" is no point'),
        ("steps", "will not do"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path, text, message):
    file = tmp_path / "steps.json"
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        read_pipeline(file)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.json"):
        read_pipeline(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match=r"binary\.json"):
        read_pipeline(tmp_path / "binary.json")
    with pytest.raises(BadInput, match="is a folder"):
        write_pipeline(tmp_path, RefineConfig())
