"""What a run in which things are killed has in common, on this machine and on a cluster: a small pipeline with all kinds of
training, a look at what runs while it runs, and what is compared at the end."""

import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import psutil
import yaml

from mocapact_core.files import sha256

ROOT = Path(__file__).parents[1]
EVERY = 512  # steps between the checkpoints of trainings
PPO = {
    "total_steps": 8 * EVERY,
    "hidden": [16],
    "workers": 16,
    "steps_per_update": EVERY,
    "epochs": 1,
    "minibatch": 64,
    "evaluate_every": EVERY,
    "checkpoint_every": EVERY,
}
SETTINGS = {
    "clips": {"subset": ["stand-0-80"]},
    "experts": PPO | {"warm_start": "none", "evaluation_episodes": 4, "evaluation_start_episodes": 2},
    "evaluation": {"rsi_episodes": 4, "start_episodes": 2},
    "rollouts": {"start_rollouts": 2, "rsi_rollouts": 2},
    "distillation": {
        "policies": {
            "rwr": {"sequence": 8, "gradient_steps": 20, "evaluate_every": 20, "evaluation_episodes": 2}
        },
        "evaluation_episodes": 4,
        "threads": 1,
    },
    "transfer": PPO,
}
TARGETS = (
    "results/experts/stand-0-80/evaluation.json",
    "results/distillation/rwr/0/evaluation.json",
    "results/transfer/go_to_target/none/0/progress.csv",
)
TRAININGS = (
    "train_expert",
    "train_transfer",
)  # that tell their steps, and make checkpoints at intervals of steps
_TOLD = re.compile(r"^ *([\d,]+) steps", re.MULTILINE)
_BEGUN = re.compile(r"^Going on from .* at ([\d,]+) steps")
_AGAIN = "This had ended before"
_SCRIPT = re.compile(r"\.snakemake/scripts/[^/]*\.(\w+)\.py$")


class Run:
    """A folder in which Snakemake runs, and what is seen of it: at every moment at most one process a job."""

    def __init__(self, folder: Path, targets: Sequence[str] = TARGETS):
        self.folder = folder
        folder.mkdir()
        shutil.copy(ROOT / "config.yaml", folder)
        (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
        self.environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *targets]
        self.command += ["--configfile", "settings.yaml"]
        self.attempts: dict[str, list[str]] = defaultdict(list)
        self.most: Counter = Counter()
        self._ended = threading.Event()

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start Snakemake. What it prints is in the file `output`."""
        with open(self.folder / "output", "a") as output:
            return subprocess.Popen(
                [*self.command, *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
            )

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def __enter__(self):
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._watch.join()

    def scripts(self) -> list[tuple[str, psutil.Process]]:
        """The rule of each job that runs on this machine, and the process of its script."""
        found = []
        for process in psutil.process_iter():
            try:
                script = _SCRIPT.search(process.cmdline()[-1])
                if script and process.cwd() == str(self.folder) and "python" in process.name():
                    found.append((script[1], process))
            except (psutil.Error, IndexError):
                continue
        # A child looks like its parent until it has begun something else.
        pids = {process.pid for _, process in found}
        return [(rule, process) for rule, process in found if _parent(process) not in pids]

    def _look(self) -> None:
        """What each training's log told in each attempt, and how many processes each job had."""
        while not self._ended.wait(0.05):
            for rule, n in Counter(rule for rule, _ in self.scripts()).items():
                self.most[rule] = max(self.most[rule], n)
            self.read_logs()

    def read_logs(self) -> None:
        for rule in TRAININGS:
            for log in (self.folder / "results/logs" / rule).rglob("*.log"):
                text, attempts = log.read_text(), self.attempts[rule]
                if attempts and text.startswith(attempts[-1]):
                    attempts[-1] = text
                elif text:
                    attempts.append(text)

    def told(self) -> dict[str, int]:
        """How many steps of each training its last attempt has told."""
        return {rule: _told(self.attempts[rule][-1]) if self.attempts[rule] else 0 for rule in TRAININGS}

    def redone(self, rule: str) -> list[int]:
        """How many steps each attempt but the first has made again, of those that the one before had told.

        Attempts that were killed before they had begun do not count.
        """
        attempts = [
            log for log in self.attempts[rule] if _AGAIN in log or _BEGUN.search(log) or _TOLD.search(log)
        ]
        return [_told(before) - _begun(after) for before, after in itertools.pairwise(attempts)]

    def files(self) -> dict[str, str]:
        """The content of all results, but of what tells of time and place."""
        results = self.folder / "results"
        apart = {"logs", "benchmarks", "tensorboard", ".finished"}
        paths = (path.relative_to(results) for path in results.rglob("*") if path.is_file())
        return {str(path): sha256(results / path) for path in paths if not apart & {*path.parts}}


def _parent(process: psutil.Process) -> int:
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def _told(log: str) -> int:
    return max([int(steps.replace(",", "")) for steps in _TOLD.findall(log)], default=_begun(log))


def _begun(log: str) -> int:
    if _AGAIN in log:
        return PPO["total_steps"]
    begun = _BEGUN.search(log)
    return int(begun[1].replace(",", "")) if begun else 0


def moment(chance: random.Random, run: Run, snakemake: subprocess.Popen) -> list[tuple[str, psutil.Process]]:
    """The jobs that run at a random moment: of trainings, so many steps after now. None once Snakemake has ended."""
    while snakemake.poll() is None:
        begun = run.told()
        steps = chance.randrange(1, 4) * EVERY
        delay = chance.uniform(0, 2)
        while snakemake.poll() is None and not (running := run.scripts()):
            time.sleep(0.05)
        while snakemake.poll() is None and {rule for rule, _ in run.scripts()} & {*TRAININGS}:
            if any(run.told()[rule] - begun[rule] >= steps for rule in TRAININGS):
                break
            time.sleep(0.05)
        time.sleep(delay)
        if running := run.scripts():
            return running
    return []
