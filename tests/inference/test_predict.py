"""``predict``: arrays of any shape in, labels of that shape out."""

import subprocess
import sys

import numpy as np
import pytest

from napari_unet.errors import BadModelFile, OutOfMemory
from napari_unet.inference import predict
from napari_unet.scan import Scan


@pytest.mark.parametrize("shape", [(20, 24), (3, 20, 24), (2, 3, 20, 24)])
def test_labels_have_the_shape_of_the_array(phantom, config, shape):
    image = phantom.scan(*shape, axes="TZYX"[-len(shape) :]).array.reshape(shape)
    result = predict(phantom.model(), image, config, with_probabilities=True)
    assert result.labels.shape == shape
    assert result.probabilities.shape == (3, *shape)
    chosen = np.take_along_axis(result.probabilities, result.labels[None], 0)[0]
    np.testing.assert_array_equal(chosen, result.probabilities.max(0))


def test_labels_have_the_axes_of_the_array(phantom, config):
    channels_last = phantom.scan(20, 4, 24, 2, axes="YTXC", name="film")
    model = phantom.model(channel_names=("a", "b"))
    result = predict(model, channels_last, config, with_probabilities=True)
    assert result.labels.shape == (20, 4, 24)
    assert result.probabilities.shape == (3, 20, 4, 24)
    softmax = phantom.reference(model, channels_last)
    np.testing.assert_array_equal(result.labels, phantom.labels(model, softmax).transpose(1, 0, 2))


def test_a_lazy_scan_is_read_piece_by_piece(phantom, config):
    dask = pytest.importorskip("dask.array")
    scan = phantom.scan(3, 40, 40)
    lazy = Scan(dask.from_array(scan.array, chunks=(1, 1, 16, 16)))
    tiled = config.model_copy(update={"tile": 16})
    np.testing.assert_array_equal(
        predict(phantom.model(), lazy, tiled).labels, predict(phantom.model(), scan, config).labels
    )


def test_a_model_may_be_a_file(phantom, config, tmp_path):
    model, scan = phantom.model(), phantom.scan(2, 16, 16)
    path = model.save(tmp_path / "model.unet")
    result = predict(path, scan, config, slices=[1])
    assert result.slices == (1,)
    assert result.probabilities is None
    np.testing.assert_array_equal(result.labels[1], predict(model, scan, config).labels[1])


def test_a_missing_model_file_is_named(phantom, config, tmp_path):
    with pytest.raises(BadModelFile, match=r"none\.unet"):
        predict(tmp_path / "none.unet", phantom.scan(1, 8, 8), config)


def test_probabilities_larger_than_memory_are_refused(phantom, config, monkeypatch):
    def full(*_):
        raise MemoryError

    scan = phantom.scan(1, 8, 8)
    monkeypatch.setattr(np, "zeros", full)
    with pytest.raises(OutOfMemory, match="only some slices"):
        predict(phantom.model(), scan, config, with_probabilities=True)


def test_naming_the_room_does_not_import_torch():
    code = "import sys, napari_unet.inference; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_prediction_of_a_process_does_not_wait_for_a_compiler_it_needs_not(phantom, tmp_path):
    path = phantom.model().save(tmp_path / "model.unet")
    program = (
        "import sys, numpy as np, napari_unet as nu\n"
        f"nu.predict({str(path)!r}, np.eye(16, dtype='float32')[None])\n"
        "print({'torch._dynamo', 'sympy'} & set(sys.modules))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert told.stdout.strip() == "set()"
