"""The data card against numbers computed here from the files, and its examples against the files themselves."""

import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import yaml

from mocapact_core.errors import InputError
from mocapact_core.rollouts.card import write_card
from tests.rollouts.synthetic import write_synthetic_dataset

LENGTHS = {
    "CMU_009_12-0-198": [12, 17, 19],
    "CMU_009_12-165-363": [15, 200, 11],
    "wave-0-90": [30, 200, 21],
    "dance-0-80": [10, 10, 200],
}


@pytest.fixture
def dataset(tmp_path):
    """(paths, {snippet: {metric: (3,) array}}): one episode from the start of each snippet, two from random steps."""
    paths, _, _ = write_synthetic_dataset(tmp_path, LENGTHS, n_start=1)
    metrics = {}
    for path in paths:
        with h5py.File(path) as file:
            for name in LENGTHS.keys() & file.keys():
                parts = [file[f"{name}/{part}_metrics"] for part in ("start", "rsi")]
                metrics[name] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
                metrics[name]["early"] = file[f"{name}/early_termination"][:]
    return paths, metrics


def written(paths, tmp_path):
    write_card(paths, tmp_path / "README.md")
    return (tmp_path / "README.md").read_text()


def tables(text):
    """{first cell: other cells} of all rows of all tables."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first: others for first, *others in rows}


def expected(metrics):
    """The cells of a row of statistics, from lists of (metrics of a snippet, which of its episodes)."""
    together = {key: np.concatenate([of[key][which] for of, which in metrics]) for key in metrics[0][0]}
    steps = together["episode_lengths"].sum()
    cells = [str(len(together["early"])), str(steps), f"{steps * 0.03 / 60 / 60:.3f}"]
    for key in ("norm_episode_returns", "norm_episode_lengths"):
        cells.append(f"{together[key].mean():.3f} ({np.median(together[key]):.3f})")
    return [*cells, f"{together['early'].mean() * 100:.1f} %"]


def test_numbers_are_those_of_the_files(dataset, tmp_path):
    paths, metrics = dataset
    rows = tables(written(paths, tmp_path))
    for label, episodes in {
        "from the start of the snippet": slice(1),
        "from random steps of it (RSI)": slice(1, None),
        "all": slice(None),
    }.items():
        assert rows[label] == expected([(of, episodes) for of in metrics.values()])
    for clip, snippets in {"CMU_009_12": 2, "wave": 1, "dance": 1}.items():
        of = [(metrics[name], slice(None)) for name in metrics if name.startswith(f"{clip}-")]
        assert rows[clip] == [str(snippets), *expected(of)]
    assert rows["body_height"] == ["71"] and rows["world_zaxis"] == ["2865 to 2867"]


def test_the_head_is_what_the_hub_reads(dataset, tmp_path):
    text = written(dataset[0], tmp_path)
    _, head, _ = text.split("---\n", 2)
    head = yaml.safe_load(head)
    assert head["size_categories"] == ["n<1K"], "745 steps"
    assert head["license"] == "unknown", "nobody knows whose the dance is"
    assert "# Rollouts of 4 motion capture experts" in text
    assert "not known here: dance." in text and "mocap.cs.cmu.edu" in text


@pytest.mark.parametrize(("clip", "licence"), [("wave", "mit"), ("CMU_009_12", "other")])
def test_the_licence_is_that_of_the_motion(dataset, tmp_path, clip, licence):
    text = written([path for path in dataset[0] if path.stem == clip], tmp_path)
    head = yaml.safe_load(text.split("---\n", 2)[1])
    assert head["license"] == licence
    assert ("EIA-0196217" in text) == (clip == "CMU_009_12")


def test_files_without_provenance_are_not_explained(dataset, tmp_path):
    assert "do not tell how they were made" in written(dataset[0], tmp_path)


def test_settings_and_versions_are_those_recorded(recorded, tmp_path):
    import mujoco

    rows = tables(text := written([recorded.full], tmp_path))
    assert rows["`rollouts.noise`"] == ["0.3", "Standard deviation of the sampled actions."]
    assert rows["`rollouts.min_steps`"][0] == "5"
    assert rows["mujoco"] == [mujoco.__version__]
    assert "Seed: 2." in text


def test_many_clips_have_no_table(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("mocapact_core.rollouts.card.FEW", 2)
    assert "wave" not in tables(written(dataset[0], tmp_path))


def test_one_kind_of_start_is_enough(dataset, tmp_path):
    path = dataset[0][-1]
    with h5py.File(path, "r+") as file:
        [snippet] = LENGTHS.keys() & file.keys()
        file["n_rsi_rollouts"][...] = 0
        del file[f"{snippet}/early_termination"]
        file[f"{snippet}/early_termination"] = np.array([True])
        for metric in file[f"{snippet}/rsi_metrics"]:
            del file[f"{snippet}/rsi_metrics/{metric}"]
            file[f"{snippet}/rsi_metrics/{metric}"] = np.zeros(0)
    rows = tables(written([path], tmp_path))
    assert rows["from random steps of it (RSI)"][:3] == ["0", "0", "0.000"]
    assert rows["from the start of the snippet"] == rows["all"]


def test_the_same_files_make_the_same_card_in_any_order(dataset, tmp_path):
    paths, _ = dataset
    assert written(paths, tmp_path) == written(paths[::-1], tmp_path)
    assert str(tmp_path) not in written(paths, tmp_path)


def test_the_examples_run_beside_the_files(dataset, tmp_path):
    examples = re.findall(r"```python\n(.*?)```", written(dataset[0], tmp_path), re.DOTALL)
    assert len(examples) == 4
    for example in examples[:2]:  # the others ask for MoCapAct's own package, and for an export to Minari
        checked = example + "\nassert len(actions) == 12" * ("h5py" in example)
        subprocess.run([sys.executable, "-c", checked], cwd=tmp_path, check=True)


def test_bad_input_is_told(tmp_path):
    with pytest.raises(InputError, match="No rollout file"):
        write_card([], tmp_path / "README.md")
    assert not list(tmp_path.iterdir())
