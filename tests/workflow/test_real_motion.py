"""One walk of the CMU database, from its AMC file to rollouts, through the real rules and scripts."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from dm_control.locomotion.mocap import loader

from mocapact_core.clips.cmu_table import cmu_lengths
from mocapact_core.rollouts.layout import episode_lengths, open_rollouts, snippet_names

ROOT = Path(__file__).parents[2]
CLIP, SNIPPET = "CMU_016_15", "CMU_016_15-0-127"
TINY = {
    "experts": {
        "total_steps": 1024,
        "steps_per_update": 1024,
        "evaluate_every": 1024,
        "evaluation_episodes": 8,
        "hidden": [64],
    },
    "evaluation": {"rsi_episodes": 6, "start_episodes": 2},
    "rollouts": {"start_rollouts": 2, "rsi_rollouts": 3},
}


def test_a_walk_goes_from_amc_to_rollouts(real_amc_folder, tmp_path):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    settings = TINY | {"clips": {"source": "amc", "path": str(real_amc_folder().resolve()), "subset": [CLIP]}}
    (tmp_path / "walk.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["clips", "evaluation", "rollouts", "--configfile", "walk.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr

    results = tmp_path / "results"
    clip = loader.HDF5TrajectoryLoader(str(results / "clips" / f"{CLIP}.h5")).get_trajectory(CLIP)
    assert clip.num_steps == cmu_lengths()[CLIP] + 1  # dm_control counts frames
    assert (
        (results / "clips" / "snippets.tsv")
        .read_text()
        .splitlines()[1]
        .startswith(f"{SNIPPET}\t{CLIP}\t0\t127\t")
    )
    info = json.loads((results / "experts" / SNIPPET / "clip_info.json").read_text())
    assert info == {"clip_id": CLIP, "start_step": 0, "end_step": 127}
    rsi = np.load(results / "experts" / SNIPPET / "evaluation" / "rsi.npz")
    assert len(rsi["ep_norm_lens"]) == 6
    assert rsi["ep_norm_lens"].mean() > 0.4, "inverse dynamics knows how to walk"
    with open_rollouts(results / "rollouts" / f"{CLIP}.hdf5") as file:
        assert snippet_names(file) == [SNIPPET]
        assert len(episode_lengths(file, SNIPPET)) == 5
