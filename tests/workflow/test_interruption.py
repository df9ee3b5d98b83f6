"""A warning signal to a job's processes, as SLURM sends it: the training stops, and Snakemake starts it again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
SNIPPET = "wave-0-90"
TINY = {
    "experts": {
        "total_steps": 16 * 1024,
        "warm_start": "none",
        "hidden": [16],
        "steps_per_update": 1024,
        "evaluate_every": 1024,
        "evaluation_episodes": 8,
        "evaluation_start_episodes": 2,
        "checkpoint_every": 1_000_000,
    },
}


def test_a_job_that_is_warned_goes_on_in_its_next_attempt(tmp_path):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += [f"results/experts/{SNIPPET}/progress.csv", "--retries", "1", "--configfile", "tiny.yaml"]
    log = tmp_path / "results" / "logs" / "train_expert" / f"{SNIPPET}.log"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with open(tmp_path / "output", "w") as output:
        # A session of its own, so that the signal reaches Snakemake and its job, and nobody else.
        run = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        while run.poll() is None and not (log.exists() and "1,024 steps" in log.read_text()):
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGUSR1)
        assert run.wait() == 0, (tmp_path / "output").read_text()
    assert "exit status 75" in (tmp_path / "output").read_text()
    assert log.read_text().startswith("Going on from ")
    steps = [line.split(",")[0] for line in (tmp_path / f"results/experts/{SNIPPET}/progress.csv").open()]
    assert steps == ["steps", *(str(1024 * n) for n in range(17))]
