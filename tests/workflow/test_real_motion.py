"""Real CMU motion through the real workflow: clip, expert, evaluation and rollouts of a run, at small scale."""

import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from dm_control.locomotion.mocap import loader

from tests.workflow.conftest import ROOT

CLIP, SNIPPET = "CMU_002_03", "CMU_002_03-0-44"  # a jog; the snippet is in MoCapAct's published list
SETTINGS = """
experts:
  {total_steps: 256, hidden: [64, 64], workers: 16, steps_per_update: 256, evaluation_episodes: 16, minibatch: 64}
evaluation: {rsi_episodes: 20, start_episodes: 2}
rollouts: {start_rollouts: 2, rsi_rollouts: 3, workers: 16}
"""


@pytest.fixture(scope="module")
def results(real_amc_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    shutil.copy(ROOT / "config.yaml", folder)
    source = {"clips": {"source": "amc", "path": str(real_amc_folder()), "subset": [CLIP]}}
    (folder / "real.yaml").write_text(json.dumps(source))
    (folder / "small.yaml").write_text(SETTINGS)
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--directory", folder]
    command += ["--cores", "1", "evaluation", "rollouts", "--configfile", "real.yaml", "small.yaml"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return folder / "results"


def test_the_clip_is_dm_controls(results):
    trajectory = loader.HDF5TrajectoryLoader(str(results / f"clips/{CLIP}.h5")).get_trajectory(CLIP)
    assert trajectory.num_steps == 45


def test_the_expert_tracks_for_a_while(results):
    summary = json.loads((results / f"experts/{SNIPPET}/evaluation.json").read_text())["protocols"]
    assert summary["rsi"]["episodes"] == 20
    assert summary["rsi"]["normalized_length"] > 0.4


def test_the_rollouts_are_whole(results):
    with h5py.File(results / f"rollouts/{CLIP}.hdf5") as file:
        assert (file["n_start_rollouts"][()], file["n_rsi_rollouts"][()]) == (2, 3)
        episodes = [file[f"{SNIPPET}/{k}"] for k in range(5)]
        for episode in episodes:
            n_steps = len(episode["rewards"])
            assert episode["observations/proprioceptive"].shape == (n_steps + 1, 2868)
            assert np.isfinite(episode["observations/proprioceptive"][()]).all()
            assert episode["actions"].shape == (n_steps, 56)
