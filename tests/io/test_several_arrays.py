"""Files with several arrays: the only image, the largest, or the one that was asked for."""

import builtins
import io
import zipfile

import h5py
import numpy as np
import pytest

from napari_unet.errors import BadInput, MissingDependency
from napari_unet.io import read_mask, read_scan
from napari_unet.io.questions import Several

RAW = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
LABELS = (RAW % 3).astype(np.uint8)


def save(path, **arrays):
    if path.suffix == ".npz":
        np.savez_compressed(path, **arrays)
        return path
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name.replace(".", "/")] = array
    return path


@pytest.fixture(params=[".npz", ".h5"])
def path(request, tmp_path):
    return tmp_path / f"scan{request.param}"


def test_the_only_image_is_read_whatever_lies_beside_it(path):
    save(path, raw=RAW, names=np.array([b"liver"]), times=np.arange(3.0), scale=np.float32(2))
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.array[0], RAW)
    assert (scan.axes, scan.unit, scan.name, scan.array.dtype) == ("ZYX", "pixel", "scan", np.uint16)


def test_the_largest_image_is_read(path):
    save(path, small=RAW[:, ::2, ::2], raw=RAW)
    np.testing.assert_array_equal(read_scan(path).array[0], RAW)


def test_of_images_of_one_size_one_is_chosen(path):
    save(path, raw=RAW, label=LABELS)
    for use in (read_scan, read_mask):
        with pytest.raises(Several, match=r"label \(uint8, 2 images of 3 x 4\).*raw \(uint16.*--series") as question:
            use(path)
    assert len(question.value.choices) == 2
    np.testing.assert_array_equal(read_scan(path, series="raw").array[0], RAW)
    np.testing.assert_array_equal(read_mask(path, series=question.value.choices[0].key).labels, LABELS)
    with pytest.raises(BadInput, match='no array "third"'):
        read_scan(path, series="third")


def test_no_image_lists_what_there_is(path):
    save(path, times=np.arange(3.0))
    with pytest.raises(BadInput, match=r"holds no image, only these: /?times \(3,\)"):
        read_scan(path)


def test_hdf5_by_its_path_with_its_voxel_size(tmp_path):
    path = save(tmp_path / "a.hdf5", **{"volumes.raw": RAW.astype(">u2"), "volumes.deep.label": LABELS})
    with h5py.File(path, "a") as file:
        file["volumes/raw"].attrs["element_size_um"] = (2.0, 0.5, 0.25)
    scan = read_scan(path, series="volumes/raw")
    np.testing.assert_allclose(scan.spacing, (0.002, 0.0005, 0.00025))
    assert scan.unit == "mm"
    np.testing.assert_array_equal(scan.array[0], RAW)


def test_hdf5_takes_nothing_from_other_files(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(RAW.tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["raw"] = RAW
    layout = h5py.VirtualLayout(RAW.shape, RAW.dtype)
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "raw", RAW.shape)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", RAW.shape, RAW.dtype, external=[(str(secret), 0, RAW.nbytes)])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file.create_virtual_dataset("raw", layout)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["raw"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "raw")
    for name, words in (("a", "from other files"), ("b", "from other files"), ("c", "holds no image")):
        with pytest.raises(BadInput, match=words):
            read_scan(tmp_path / f"{name}.h5")


def test_an_archive_of_objects_or_with_an_endless_header_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", np.array([[{}, {}], [{}, {}]], object))
    with zipfile.ZipFile(tmp_path / "b.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        head = io.BytesIO(b"\x93NUMPY\x02\x00" + (1 << 28).to_bytes(4, "little") + bytes(1 << 24))
        archive.writestr("raw.npy", head.getvalue())
    for name in ("a.npz", "b.npz"):
        with pytest.raises(BadInput, match=name):
            read_scan(tmp_path / name)


def test_without_h5py_it_says_how_to_install_it(tmp_path, monkeypatch):
    path, real = save(tmp_path / "a.h5", raw=RAW), builtins.__import__

    def without(name, *args, **kwargs):
        if name == "h5py":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingDependency, match=r"napari-unet-paint\[hdf5\]"):
        read_scan(path)
