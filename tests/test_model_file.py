"""A model file comes back as it was or is refused in plain words, and holds nothing about any patient."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from napari_unet import model_file
from napari_unet.annotation import BACKGROUND_CLASS, ClassInfo, new_class
from napari_unet.config import NetworkConfig, Normaliser, TrainConfig
from napari_unet.errors import BadInput, BadModelFile
from napari_unet.model_file import FORMAT, LearnedFrom, Model, ModelDescription, load_model, read_description
from napari_unet.normalisation import Normalisation
from napari_unet.scan import Scan
from napari_unet.training import train

DESCRIPTION = ModelDescription(
    program="napari-unet 0.1",
    network=NetworkConfig(width=8, depth=3, dimensions=3),
    channel_names=("T1", "größer"),
    classes=(BACKGROUND_CLASS, ClassInfo(label=3, name='Leber "é" \\n', colour=(1 / 3, 0.1, 0.0)), new_class(254)),
    spacing=(5.0, 0.1 + 0.2, 0.7),
    unit="mm",
    normalisation=(
        Normalisation(low=-1000.5, high=3000, mean=1 / 7, std=200),
        Normalisation(low=0, high=1, mean=0.5, std=1e-9),
    ),
    training=TrainConfig(steps=7, learning_rate=1 / 3e3),
    learned_from=LearnedFrom(
        scans=1, slices=4, voxels={0: 10, 3: 1234567, 254: 1}, steps=7, seconds=1.5, validation_dice=2 / 3,
        dice_per_class={3: 1.0, 254: 1 / 3},
    ),
)  # fmt: skip
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "down.0.weight": RANDOM.normal(size=(4, 2, 3, 3)).astype(np.float32),
    "down.0.bias": np.array([0, -0.0, np.inf, 1e-40], np.float32),
    "count": np.array(7, np.int64),
    "half": RANDOM.normal(size=(3, 5)).astype(np.float16).T,
}
MODEL = Model(DESCRIPTION, WEIGHTS)


@pytest.fixture
def saved(tmp_path):
    return MODEL.save(tmp_path / "liver.unet")


def assert_equal(read):
    assert read.description == DESCRIPTION
    assert set(read.weights) == set(WEIGHTS)
    for name, value in WEIGHTS.items():
        assert read.weights[name].dtype == value.dtype
        assert read.weights[name].shape == value.shape
        assert read.weights[name].tobytes() == np.ascontiguousarray(value).tobytes()


def content_of(data):
    """Give the parts of a model file: the head as JSON values, what this program put there, and the rest."""
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8 : 8 + size])
    return head, json.loads(head["__metadata__"]["napari_unet"]), data[8 + size :]


def with_head(head, content, rest):
    head["__metadata__"]["napari_unet"] = json.dumps(content)
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + rest


def test_it_comes_back_as_it_was(saved):
    assert_equal(load_model(saved))
    assert read_description(saved) == DESCRIPTION
    again = load_model(saved).save(saved.with_name("again.unet"))
    assert_equal(load_model(again))


def test_what_a_model_says_of_itself():
    assert DESCRIPTION.labels == (0, 3, 254)
    assert [info.label for info in DESCRIPTION.foreground] == [3, 254]
    assert DESCRIPTION.sentence() == "2 classes, trained on 4 slices, Dice 0.67 on held-out paint"
    for voxels, little in ((400, ""), (399, " (little to measure on)")):
        learned = DESCRIPTION.learned_from.model_copy(update={"held_out": {0: 9000, 3: 100, 254: voxels}})
        told = DESCRIPTION.model_copy(update={"learned_from": learned}).sentence()
        assert told == f"2 classes, trained on 4 slices, Dice 0.67 on held-out paint{little}"
    one = DESCRIPTION.model_copy(
        update={
            "classes": (BACKGROUND_CLASS, new_class(1)),
            "learned_from": LearnedFrom(scans=1, slices=1, voxels={}, steps=1, seconds=1),
        }
    )
    assert one.sentence() == "1 class, trained on 1 slice"


def test_cut_short_anywhere_it_is_refused(saved):
    data = saved.read_bytes()
    for length in np.linspace(0, len(data) - 1, 20).astype(int):
        saved.write_bytes(data[:length])
        with pytest.raises(BadModelFile, match=r"^liver\.unet (is|was)"):
            load_model(saved)


def test_with_any_byte_altered_it_is_refused_or_equal(saved):
    data = saved.read_bytes()
    head = 8 + struct.unpack("<Q", data[:8])[0]
    places = [*range(8), *RANDOM.integers(8, head, 150), *RANDOM.integers(head, len(data), 50)]
    refused = []
    for place in places:
        altered = bytearray(data)
        altered[place] ^= 1 << RANDOM.integers(8)
        saved.write_bytes(altered)
        try:
            assert_equal(load_model(saved))
        except BadModelFile as error:
            refused.append(str(error))
    assert len(refused) > 0.9 * len(places)
    assert all(text.startswith("liver.unet ") for text in refused)


@pytest.mark.parametrize(
    ("old", "new"), [(b"Leber", b"Lunge"), (b"1234567", b"7654321"), (b"-1000.5", b"-9000.5"), (b"T1", b"T2")]
)
def test_an_altered_description_is_noticed(saved, old, new):
    data = saved.read_bytes()
    assert data.count(old) == 1
    saved.write_bytes(data.replace(old, new))
    for read in (load_model, read_description):
        with pytest.raises(BadModelFile, match="is damaged or was altered: get it again from where it came from"):
            read(saved)


@pytest.mark.parametrize("read", [load_model, read_description])
def test_a_file_from_before_normalisation_was_a_choice_holds_a_batch_normalised_network(saved, read):
    head, content, rest = content_of(saved.read_bytes())
    description = content["description"]
    description["format"] = 1
    for network in (description["network"], description["training"]["network"]):
        del network["normalisation"]
    content["sha256"] = model_file._seal({key: content[key] for key in content if key != "sha256"})
    saved.write_bytes(with_head(head, content, rest))
    found = read(saved)
    description = found.description if isinstance(found, Model) else found
    assert description.network.normalisation is description.training.network.normalisation is Normaliser.BATCH


@pytest.mark.parametrize("read", [load_model, read_description])
def test_a_newer_format_is_named(saved, read):
    head, content, rest = content_of(saved.read_bytes())
    content = {"description": {"format": FORMAT + 1, "unheard of": 1}, "other": True}
    saved.write_bytes(with_head(head, content, rest))
    with pytest.raises(
        BadModelFile, match=rf"made by a newer version \(format {FORMAT + 1}; this one reads up to {FORMAT}\): update"
    ):
        read(saved)


@pytest.mark.parametrize("read", [load_model, read_description])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\x80\x02}q\x00." * 10,
        b"PK\x03\x04" + bytes(100),
        bytes(1000),
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a": [] ',
        struct.pack("<Q", 2**63) + b"{" * 100,
        struct.pack("<Q", 200_000) + b'{"a":' * 40_000,
        struct.pack("<Q", 60) + b'{"__metadata__": {"napari_unet": "[1]"}}'.ljust(60),
        struct.pack("<Q", 70) + b'{"__metadata__": {"napari_unet": "{\\"description\\": 1}"}}'.ljust(70),
        save_tensors({"weight": np.zeros(3)}),
        save_tensors({"weight": np.zeros(3)}, metadata={"napari_unet": "not JSON"}),
    ],
    ids=range(14),
)
def test_what_is_no_model_is_refused(tmp_path, data, read):
    path = tmp_path / "scan.unet"
    path.write_bytes(data)
    with pytest.raises(BadModelFile, match=r"scan\.unet is not a model of this program: choose a \.unet file"):
        read(path)


def test_a_head_that_claims_too_much_is_refused(saved):
    head, content, rest = content_of(saved.read_bytes())
    many = {f"weight {i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(6000)}
    saved.write_bytes(with_head(head | many, content, rest))
    with pytest.raises(BadModelFile, match=r"claims 6,00\d tensors, more than any model has"):
        load_model(saved)
    saved.write_bytes(struct.pack("<Q", 8_000_001) + b"{" + bytes(8_000_000))
    with pytest.raises(BadModelFile, match="is not a model"):
        load_model(saved)


def test_a_kind_of_number_that_no_network_here_has_is_refused(saved):
    head, content, rest = content_of(saved.read_bytes())
    next(entry for name, entry in head.items() if name == "half")["dtype"] = "BF16"
    saved.write_bytes(with_head(head, content, rest))
    with pytest.raises(BadModelFile, match=r"liver\.unet is damaged"):
        load_model(saved)


def test_a_large_file_of_another_kind_is_not_read_whole(tmp_path):
    path = tmp_path / "scan.unet"
    with path.open("wb") as file:
        file.truncate(10**13)  # takes no place on the disk
    with pytest.raises(BadModelFile, match="is not a model"):
        load_model(path)


def test_what_cannot_be_opened_is_named(tmp_path):
    for path in (tmp_path / "gone.unet", tmp_path):
        with pytest.raises(BadModelFile, match=f"cannot read the model {path}: "):
            load_model(path)
    with pytest.raises(BadInput, match="Choose a folder you may write to"):
        MODEL.save(tmp_path / "gone" / "liver.unet")


@pytest.mark.parametrize("failing", ["save_tensors", "load_tensors"])
def test_a_failed_save_keeps_the_old_model(saved, monkeypatch, failing):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    other = Model(DESCRIPTION.model_copy(update={"program": "another"}), WEIGHTS)
    with monkeypatch.context() as patched:
        patched.setattr(model_file, failing, fail)
        with pytest.raises(OSError, match="No space"):
            other.save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]
    other.save(saved)
    assert read_description(saved).program == "another"


def test_a_model_that_does_not_read_back_replaces_nothing(saved, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(model_file, "save_tensors", lambda *a, **k: save_tensors(*a, **k)[:-1] + b"\xff")
    with pytest.raises(BadModelFile, match="its weights were altered"):
        MODEL.save(saved)
    assert saved.read_bytes() == before


def test_nothing_of_the_patient_is_in_a_trained_model(tmp_path):
    y, x = np.ogrid[:32, :32]
    disc = (y - 16) ** 2 + (x - 16) ** 2 < 64
    image = np.where(disc, 31337, 100).astype(np.uint16)[None]
    scan = Scan.from_array(image, name="CANARY^NAME /home/canary/scan.dcm")
    config = TrainConfig(network=NetworkConfig(width=2, depth=1), steps=1, threads=1, device="cpu", precision="fp32")
    path = train(scan, np.where(disc, 1, 255)[None], config).save(tmp_path / "canary-folder.unet")
    data = path.read_bytes()
    assert b"canary" not in data.lower()
    assert str(tmp_path).encode() not in data
    assert image.tobytes()[:64] not in data
