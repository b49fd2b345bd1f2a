"""The prediction job: the same result however it is cut, the order of slices, and what it may be told."""

import weakref

import numpy as np
import pytest
import torch

from napari_unet.config import Device, Normaliser, PredictConfig
from napari_unet.errors import BadInput, OutOfMemory, UnetError
from napari_unet.events import LookAt, Note, Progress, SlicesDone, Started, Stop
from napari_unet.inference import engine as engine_module
from napari_unet.inference import planning as planning_module
from napari_unet.inference import work as work_module
from napari_unet.inference.engine import Engine, is_out_of_memory
from napari_unet.inference.prediction import predict_job
from napari_unet.networks import UNet, build, load_weights
from napari_unet.normalisation import measure


def order(events):
    return [z for event in events if isinstance(event, SlicesDone) for z in event.slices]


def texts(events):
    return [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 61, 83), (1, 5, 7), (3, 1, 40)])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_it_is_what_the_plain_network_says(phantom, config, shape, dimensions, drain):
    model, scan = phantom.model(dimensions=dimensions), phantom.scan(*shape)
    softmax = phantom.reference(model, scan)
    kept = np.zeros((3, *shape), np.float16)
    result, _ = drain(predict_job(model, scan, config, probabilities=kept))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, softmax))
    np.testing.assert_allclose(result.probabilities, softmax, atol=1e-3)
    assert result.slices == tuple(range(shape[0]))


@pytest.mark.parametrize(
    ("dimensions", "depth", "shape"), [(2, 2, (1, 150, 131)), (2, 3, (1, 256, 200)), (3, 1, (21, 45, 38))]
)
def test_logits_of_tiles_are_those_of_the_whole(phantom, config, dimensions, depth, shape):
    engine = Engine([phantom.model(dimensions=dimensions, depth=depth)], config.model_copy(update={"tile": 16}))
    seen = np.random.default_rng(0).normal(size=(1, 1, *shape)).astype(np.float32)
    whole = engine.logits(seen).numpy()
    cut = engine.cut(shape)
    tiles = cut.slab(0) if dimensions == 2 else tuple(t for z in range(0, shape[0], 16) for t in cut.slab(z))
    assert len(tiles) > 10
    for tile in tiles:
        logits = engine.logits(np.ascontiguousarray(seen[(..., *tile.seen)])).numpy()
        np.testing.assert_allclose(logits[(..., *tile.core_in_seen)], whole[(..., *tile.core)], rtol=0, atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_labels_do_not_depend_on_tiles(phantom, config, dimensions, drain):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(10, 70, 53)
    result, events = drain(predict_job(model, scan, config.model_copy(update={"tile": 16})))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    assert sorted(order(events)) == list(range(10))


@pytest.mark.parametrize(
    "network",
    [
        {"architecture": "unet++", "residual": True},
        {"architecture": "attention-unet", "separable": True, "pyramid": True},
        {"architecture": "attention-unet", "dimensions": 3, "flat_levels": 1},
        {"architecture": "unet++", "dimensions": 3, "flat_levels": 2, "deep_supervision": True},
    ],
    ids=lambda network: network["architecture"],
)
def test_labels_of_other_networks_do_not_depend_on_tiles_either(phantom, config, network, drain):
    model, scan = phantom.model(**network), phantom.scan(6, 90, 53)
    result, _ = drain(predict_job(model, scan, config.model_copy(update={"tile": 16})))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("network", [{"normalisation": "instance"}, {"normalisation": "group"}, {"cbam": True}])
def test_a_network_that_needs_the_whole_gets_it_or_is_blended(phantom, config, dimensions, network, drain):
    model, scan = phantom.model(dimensions=dimensions, **network), phantom.scan(4, 96, 80)
    softmax = phantom.reference(model, scan)
    kept = np.zeros((3, *scan.grid), np.float16)
    whole, _ = drain(predict_job(model, scan, config, probabilities=kept))
    np.testing.assert_array_equal(whole.labels, phantom.labels(model, softmax))
    np.testing.assert_allclose(kept, softmax, atol=2e-3)
    blended, _ = drain(predict_job(model, scan, config.model_copy(update={"tile": 48}), probabilities=kept))
    assert (blended.labels == whole.labels).mean() > 0.9
    np.testing.assert_allclose(kept.astype(float).sum(0), 1, atol=5e-3)


def test_a_nested_network_predicts_with_as_much_of_it_as_is_wanted(phantom, config, drain):
    scan = phantom.scan(1, 32, 32)
    model = phantom.model(architecture="unet++", deep_supervision=True)
    kept = np.zeros((3, *scan.grid), np.float16)
    drain(predict_job(model, scan, config.model_copy(update={"depth": 1}), probabilities=kept))
    network = build(model.description.network, 1, 3).eval()
    load_weights(network, model.weights)
    seen = np.stack([one.apply(np.asarray(scan.array[0])) for one in measure(scan)])
    with torch.inference_mode():
        shallow = network.all_logits(torch.from_numpy(seen))[-1].softmax(1).numpy()
    np.testing.assert_allclose(kept[:, 0], shallow[0], atol=1e-3)


@pytest.mark.parametrize(("network", "says"), [({}, "Only a U-Net"), ({"architecture": "unet++"}, "deep supervision")])
def test_a_network_that_cannot_be_made_shallower_says_so(phantom, config, network, says):
    with pytest.raises(BadInput, match=says):
        next(predict_job(phantom.model(**network), phantom.scan(1, 8, 8), config.model_copy(update={"depth": 1})))


def test_a_wide_slice_is_cut_by_the_memory_at_hand(phantom, config, monkeypatch, drain):
    monkeypatch.setattr(engine_module, "MOST_CPU_BYTES", 1e6)
    model, scan = phantom.model(), phantom.scan(1, 200, 200)
    _, events = drain(predict_job(model, scan, config))
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert len(fractions) > 3
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_volumes_of_a_series_do_not_see_each_other(phantom, config, drain):
    model = phantom.model(dimensions=3, depth=1)
    scan = phantom.scan(3, 5, 20, 24, axes="TZYX")
    result, _ = drain(predict_job(model, scan, config.model_copy(update={"tile": 4})))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))


@pytest.mark.parametrize("labels", [(0, 3, 200), (1, 2), (7, 254)])
def test_labels_are_the_numbers_of_the_classes(phantom, config, labels, drain):
    model, scan = phantom.model(labels), phantom.scan(4, 40, 40)
    result, _ = drain(predict_job(model, scan, config))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    assert set(np.unique(result.labels)) <= set(labels)
    assert len(np.unique(result.labels)) > 1
    assert tuple(info.label for info in result.classes) == labels


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.float64])
def test_any_dtype_can_be_predicted(phantom, config, dtype, drain):
    result, _ = drain(predict_job(phantom.model(), phantom.scan(1, 16, 16, dtype=dtype), config))
    assert result.slices == (0,)


def test_it_says_where_it_computes_and_how_far_it_is(phantom, config, drain):
    _, events = drain(predict_job(phantom.model(), phantom.scan(3, 16, 16, name="abdomen"), config))
    assert events[0] == Started('Predicting "abdomen"', "CPU, 1 thread, fp32")
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.text for event in progress] == ["slice 1 of 3", "slice 2 of 3", "slice 3 of 3"]
    assert progress[-1].seconds_left == 0
    assert all(event.seconds_left is not None for event in progress)


def test_slices_come_outwards_from_where_the_user_looks(phantom, config, drain):
    _, events = drain(predict_job(phantom.model(), phantom.scan(7, 16, 16), config, look_at=4))
    assert order(events) == [4, 3, 5, 2, 6, 1, 0]


def test_slices_come_from_the_first_on_when_nobody_looks(phantom, config, drain):
    _, events = drain(predict_job(phantom.model(), phantom.scan(4, 16, 16), config))
    assert order(events) == [0, 1, 2, 3]


def test_looking_elsewhere_changes_what_comes_next(phantom, config, drain):
    def tell(event):
        return LookAt(8) if event == SlicesDone((1,)) else None

    _, events = drain(predict_job(phantom.model(), phantom.scan(10, 16, 16), config), tell)
    assert order(events) == [0, 1, 8, 7, 9, 6, 5, 4, 3, 2]


def test_a_slab_of_a_volume_begins_where_the_user_looks(phantom, config, drain):
    model = phantom.model(dimensions=3, depth=1)
    job = predict_job(model, phantom.scan(20, 16, 16), config.model_copy(update={"tile": 8}), look_at=17)
    _, events = drain(job)
    assert [event.slices for event in events if isinstance(event, SlicesDone)] == [
        (16, 17, 18, 19),
        tuple(range(8, 16)),
        tuple(range(8)),
    ]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_only_the_slices_asked_for_are_written(phantom, config, dimensions, drain):
    model, scan = phantom.model(labels=(1, 2), dimensions=dimensions), phantom.scan(6, 20, 20)
    out = np.full(scan.grid, 9, np.uint8)
    result, events = drain(predict_job(model, scan, config, out=out, slices=(4, 1)))
    expected = phantom.labels(model, phantom.reference(model, scan))
    np.testing.assert_array_equal(out[[1, 4]], expected[[1, 4]])
    assert (out[[0, 2, 3, 5]] == 9).all()
    assert result.slices == (1, 4)
    assert sorted(order(events)) == [1, 4]


def test_progress_never_goes_back(phantom, config, drain):
    model = phantom.model(dimensions=3, depth=1)
    tiled = config.model_copy(update={"tile": 16})
    _, events = drain(predict_job(model, phantom.scan(20, 40, 40), tiled, slices=(3, 4, 17)))
    fractions = [event.fraction for event in events if isinstance(event, Progress)]
    assert len(fractions) == 18
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_no_slices_are_no_work(phantom, config, drain):
    result, _ = drain(predict_job(phantom.model(), phantom.scan(2, 16, 16), config, slices=()))
    assert result.slices == ()


def test_stop_keeps_what_is_done(phantom, config, drain):
    model, scan = phantom.model(labels=(1, 2)), phantom.scan(6, 16, 16)
    result, _ = drain(predict_job(model, scan, config), lambda event: Stop() if event == SlicesDone((2,)) else None)
    assert result.slices == (0, 1, 2)
    np.testing.assert_array_equal(result.labels[:3], phantom.labels(model, phantom.reference(model, scan))[:3])
    assert not result.labels[3:].any()


def test_stop_between_tiles_leaves_no_half_slice(phantom, config, drain):
    def tell(event):
        return Stop() if isinstance(event, Progress) and event.fraction > 0.5 else None

    scan = phantom.scan(2, 64, 64)
    out = np.full(scan.grid, 9, np.uint8)
    result, _ = drain(predict_job(phantom.model(), scan, config.model_copy(update={"tile": 16}), out=out), tell)
    assert result.slices == (0,)
    assert (out[0] != 9).all()
    assert (out[1] == 9).all()


def test_stop_before_the_first_slice_is_a_result_too(phantom, config, drain):
    result, events = drain(predict_job(phantom.model(), phantom.scan(2, 16, 16), config), lambda _: Stop())
    assert result.slices == ()
    assert len(events) == 1


def test_closing_lets_the_network_go(phantom, config, monkeypatch):
    networks = []

    class Watched(Engine):
        def __init__(self, *args):
            super().__init__(*args)
            networks.append(weakref.ref(self._modules[0]))

    monkeypatch.setattr(planning_module, "Engine", Watched)
    job = predict_job(phantom.model(), phantom.scan(5, 16, 16), config)
    while not isinstance(next(job), SlicesDone):
        pass
    assert networks[0]() is not None
    job.close()
    assert networks[0]() is None


def test_buffers_may_be_files(phantom, config, tmp_path, drain):
    model, scan = phantom.model(), phantom.scan(3, 20, 20)
    out = np.memmap(tmp_path / "labels", np.uint8, "w+", shape=scan.grid)
    kept = np.memmap(tmp_path / "softmax", np.float16, "w+", shape=(3, *scan.grid))
    result, _ = drain(predict_job(model, scan, config, out=out, probabilities=kept))
    out.flush()
    kept.flush()
    assert result.labels is out
    assert result.probabilities is kept
    softmax = phantom.reference(model, scan)
    read = np.fromfile(tmp_path / "labels", np.uint8).reshape(scan.grid)
    np.testing.assert_array_equal(read, phantom.labels(model, softmax))
    np.testing.assert_allclose(np.fromfile(tmp_path / "softmax", np.float16).reshape(kept.shape), softmax, atol=1e-3)


@pytest.mark.parametrize(
    ("buffers", "match"),
    [
        ({"out": np.zeros((2, 16, 17), np.uint8)}, "out is"),
        ({"out": np.zeros((2, 16, 16), np.int64)}, "int64"),
        ({"probabilities": np.zeros((2, 2, 16, 16), np.float16)}, "probabilities is"),
    ],
)
def test_buffers_that_do_not_fit_are_refused(phantom, config, buffers, match):
    with pytest.raises(BadInput, match=match):
        next(predict_job(phantom.model(), phantom.scan(2, 16, 16), config, **buffers))


@pytest.mark.parametrize("z", [-1, 2, 140])
def test_slices_that_are_not_there_are_refused(phantom, config, z):
    with pytest.raises(BadInput, match=f"no slice {z}"):
        next(predict_job(phantom.model(), phantom.scan(2, 16, 16), config, slices=[0, z]))


def test_a_device_that_is_not_there_is_refused(phantom):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(BadInput, match="cuda"):
        next(predict_job(phantom.model(), phantom.scan(1, 8, 8), PredictConfig(device=Device.CUDA)))


FULL = torch.OutOfMemoryError("CUDA out of memory")


def run_out_of_memory(monkeypatch, when, error=FULL):
    """Let the network fail when ``when(number of the pass, its input)`` is true; count the passes."""
    passes = []
    forward = UNet.forward

    def failing(self, x):
        passes.append(tuple(x.shape))
        if when(len(passes), x):
            raise error
        return forward(self, x)

    monkeypatch.setattr(UNet, "forward", failing)
    return passes


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    "error",
    [
        FULL,
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=["torch", "python", "allocator"],
)
def test_running_out_of_memory_changes_no_label(phantom, config, monkeypatch, k, dimensions, error, drain):
    model, scan = phantom.model(dimensions=dimensions, depth=1), phantom.scan(12, 64, 64)
    expected = phantom.labels(model, phantom.reference(model, scan))
    small = config.model_copy(update={"tile": 32})
    run_out_of_memory(monkeypatch, lambda number, _: number == k, error)
    result, events = drain(predict_job(model, scan, small))
    np.testing.assert_array_equal(result.labels, expected)
    assert len(texts(events)) == 1
    assert "Too little memory on this computer" in result.notes[0]


def test_tiles_are_halved_until_they_fit(phantom, config, monkeypatch, drain):
    model, scan = phantom.model(), phantom.scan(2, 128, 128)
    expected = phantom.labels(model, phantom.reference(model, scan))
    passes = run_out_of_memory(monkeypatch, lambda _, x: x.numel() > 70 * 70)
    result, _ = drain(predict_job(model, scan, config))
    np.testing.assert_array_equal(result.labels, expected)
    assert "pieces of 128 × 128" in result.notes[0]
    assert passes[-1][-1] <= 70


def test_when_nothing_fits_it_says_so(phantom, config, monkeypatch, drain):
    run_out_of_memory(monkeypatch, lambda *_: True)
    with pytest.raises(OutOfMemory, match="not even in pieces of 4 × 4"):
        drain(predict_job(phantom.model(), phantom.scan(1, 64, 64, name="x"), config))


def test_other_failures_are_not_taken_for_want_of_memory(phantom, config, monkeypatch, drain):
    run_out_of_memory(monkeypatch, lambda *_: True, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        drain(predict_job(phantom.model(), phantom.scan(1, 16, 16), config))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


class _Gpu(Engine):
    """An engine that batches slices as on a GPU unless it was asked for the processor."""

    on_gpu = property(lambda self: self.config.device is Device.AUTO)


def test_a_gpu_halves_its_batch_first_and_ends_on_the_processor(phantom, config, monkeypatch, drain):
    for module in (planning_module, work_module):
        monkeypatch.setattr(module, "Engine", _Gpu)
    monkeypatch.setattr(work_module, "on_processor", lambda _: config)
    model, scan = phantom.model(), phantom.scan(10, 24, 24)
    expected = phantom.labels(model, phantom.reference(model, scan))
    passes = run_out_of_memory(monkeypatch, lambda number, _: number < 5)
    auto = config.model_copy(update={"device": Device.AUTO})
    result, events = drain(predict_job(model, scan, auto))
    np.testing.assert_array_equal(result.labels, expected)
    assert [shape[0] for shape in passes] == [10, 5, 2, 1, *[1] * 10]
    assert "10 slices of 24 × 24" in result.notes[0]
    assert any(note.startswith("The free memory of the GPU") for note in result.notes)
    assert list(result.notes) == texts(events)


def test_a_gpu_without_room_for_the_weights_is_not_used(phantom, config, monkeypatch, drain):
    class Full(Engine):
        def __init__(self, model, asked):
            if asked.device is Device.AUTO:
                raise FULL
            super().__init__(model, config)

    monkeypatch.setattr(planning_module, "Engine", Full)
    scan = phantom.scan(2, 16, 16)
    result, events = drain(predict_job(phantom.model(), scan, PredictConfig()))
    assert result.slices == (0, 1)
    assert result.notes == (work_module.GPU_TOO_SMALL,)
    assert order(events) == [0, 1]


def test_a_failure_to_load_is_not_taken_for_want_of_memory(phantom, config, monkeypatch):
    def broken(*_):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(planning_module, "Engine", broken)
    with pytest.raises(RuntimeError, match="no kernel image"):
        next(predict_job(phantom.model(), phantom.scan(1, 8, 8), config))


def test_a_gpu_predicts_slices_side_by_side(phantom, config, monkeypatch, drain):
    for module in (planning_module, work_module):
        monkeypatch.setattr(module, "Engine", _Gpu)
    model, scan = phantom.model(), phantom.scan(20, 24, 24)
    result, events = drain(predict_job(model, scan, config.model_copy(update={"device": Device.AUTO}), look_at=10))
    np.testing.assert_array_equal(result.labels, phantom.labels(model, phantom.reference(model, scan)))
    batches = [event.slices for event in events if isinstance(event, SlicesDone)]
    assert [len(batch) for batch in batches] == [16, 4]
    assert batches[0][0] == 10


def test_a_closed_engine_computes_no_more(phantom, config):
    engine = Engine([phantom.model()], config)
    engine.close()
    with pytest.raises(ValueError, match="closed"):
        engine.logits(np.zeros((1, 1, 1, 8, 8), np.float32))


def test_weights_of_another_network_are_refused(phantom, config):
    model = phantom.model()
    other = type(model)(phantom.model(width=8).description, model.weights)
    with pytest.raises(UnetError, match="weights do not belong"):
        next(predict_job(other, phantom.scan(1, 8, 8), config))


def test_a_network_that_depends_on_all_it_sees_looks_through_windows_of_the_size_it_learned_from(config, phantom):
    model = phantom.model(normalisation=Normaliser.INSTANCE)
    training = model.description.training.model_copy(update={"patch": 32})
    model = type(model)(model.description.model_copy(update={"training": training}), model.weights)
    assert Engine([model], config).cut((5, 64, 24)).core[1:] == (32, 24)
    assert Engine([phantom.model()], config).cut((5, 64, 24)).core[1:] == (64, 24)
