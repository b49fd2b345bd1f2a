"""The last steps of the undo lie beside the journal, each by itself."""

import numpy as np

from napari_unet.keeping.steps import KeptStep, kept_files, read_steps, write_step


def test_steps_come_back_the_last_one_first_and_a_damaged_one_costs_itself_only(tmp_path):
    for when in (5, 12, 7):
        write_step(tmp_path, KeptStep("layer1", when, {"name": f"step {when}"}, {"starts": np.arange(when)}))
    write_step(tmp_path, KeptStep("layer10", 6, {"name": "of another layer"}, {}))
    first, second, third = read_steps(tmp_path, ["layer1"])
    assert [step.when for step in (first, second, third)] == [12, 7, 5]
    assert first.about == {"name": "step 12"}
    np.testing.assert_array_equal(third.arrays["starts"], np.arange(5))
    file = tmp_path / "undo" / "layer1 7.npz"
    for damaged in (file.read_bytes()[:-30], b"", b"PK"):
        file.write_bytes(damaged)
        assert [step.when for step in read_steps(tmp_path, ["layer1"])] == [12, 5]
    assert len(kept_files(tmp_path, ["layer1", "layer10"])) == 4
