"""A SLURM of two nodes on this machine, where its packages and the rights for it are there, and the workflow on it."""

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from tests.chaos import Run
from tests.workflow.conftest import ROOT, Copy, copy_workflow

SCRIPT = Path(__file__).parent / "cluster.sh"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
FEW = """
experts: {warm_start: none, total_steps: 8192, hidden: [16], workers: 32, steps_per_update: 1024, checkpoint_every: 1024,
  evaluate_every: 2048, evaluation_episodes: 4, evaluation_start_episodes: 2}
evaluation: {rsi_episodes: 4, start_episodes: 2}
"""


ON_SLURM = ("--profile", str(ROOT / "profiles" / "slurm"), "--seconds-between-status-checks", "1")


class Cluster:
    """Nodes n1 and n2, with 4 CPUs and 16 GB each, in name; n2 has two GPUs, in name. See cluster.sh."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def control(self, *arguments: str) -> None:
        """What cluster.sh offers: `up`, `down`, `kill n1`, `stop controller`."""
        subprocess.run([SCRIPT, self.folder, *arguments], check=True, stderr=subprocess.PIPE, text=True)

    def run(self, *command: str) -> str:
        """What one of SLURM's programs prints."""
        return subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


class Project(Copy):
    """A copy of the workflow, with the scripts as they are, in which Snakemake runs on a cluster."""

    def __init__(self, root: Path, cluster: Cluster):
        super().__init__(copy_workflow(root))
        shutil.copytree(ROOT / "workflow_scripts", root / "workflow_scripts")
        (root / "slurm").symlink_to("profiles/slurm")
        (root / "less.yaml").write_text(FEW)
        self.cluster = cluster
        self.environment |= cluster.environment | {"PYTHONPATH": str(root)}
        self.run: subprocess.Popen | None = None

    def command(self, *arguments: str, **settings: str) -> list[str]:
        """Snakemake with the profile, asking SLURM often."""
        often = ("--profile", "slurm", "--seconds-between-status-checks", "2", "--latency-wait", "5")
        return super().command(*often, *arguments, **settings)

    def start(self, *arguments: str, **settings: str) -> None:
        """Start Snakemake, see `command`."""
        with open(self.root / "output", "w") as output:
            command = self.command(*arguments, **settings)
            self.run = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=output, stderr=output
            )

    def output(self) -> str:
        return (self.root / "output").read_text()

    def log(self, name: str) -> str:
        """What a job has written into its log by now."""
        log = self.root / "results/logs" / f"{name}.log"
        return log.read_text() if log.exists() else ""

    def jobs(self, comment: str = "", fields: str = "%i %T") -> list[list[str]]:
        """Id and state, or other fields, of the jobs whose comment (rule_<rule>_wildcards_<wildcards>) begins like this;
        the first job first."""
        format = f"--format=%Z %k {fields}"
        rows = self.cluster.run("squeue", "--states=all", "--noheader", "--sort=i", format).splitlines()
        here = f"{self.root} {comment}"
        return [row.split()[2:] for row in rows if row.startswith(here)]

    @contextlib.contextmanager
    def suspended(self, comment: str) -> Iterator[str]:
        """Within, the last job whose comment begins like this makes no progress; gives its id."""
        job = self.jobs(comment, "%i")[-1][0]
        scripts = [
            process
            for process in psutil.process_iter(["cmdline"])
            if any(".snakemake/scripts/" in word for word in process.info["cmdline"] or [])
            and process.environ().get("SLURM_JOB_ID") == job
            and process.cwd() == str(self.root)
        ]
        for process in scripts:
            process.suspend()
        yield job
        for process in scripts:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def wait(self, what: Callable[[], object], seconds: float = 300) -> None:
        """Return when `what` is true; fail when it is not after so long, or when Snakemake has ended before."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.output()
            assert self.run and self.run.poll() is None, self.output()
            time.sleep(0.05)

    def finish(self, seconds: float = 600) -> int:
        """Wait for the end of Snakemake: its exit code."""
        assert self.run
        return self.run.wait(seconds)


def run_on(cluster: Cluster, folder: Path, targets: Sequence[str]) -> Run:
    """A run in which things are killed, started with ON_SLURM."""
    run = Run(folder, targets)
    run.environment |= cluster.environment | {"PYTHONPATH": str(ROOT)}
    return run


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests here mostly wait: they begin first and run one after the other, while others run beside them."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.xdist_group("slurm"))
    items.sort(key=lambda item: item not in here)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    path = f"{os.environ['PATH']}:/usr/sbin"  # as in cluster.sh
    missing = [program for program in PROGRAMS if not shutil.which(program, path=path)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: apt install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("only root can run the daemons of SLURM")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        try:
            cluster.control("up")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"SLURM cannot run here: {error.stderr}")
        yield cluster
    finally:
        cluster.control("down")


@pytest.fixture
def project(cluster, tmp_path):
    """A copy of the workflow on a cluster with both nodes up and no jobs."""
    cluster.control("up")
    cluster.run("scancel", "--user=root")
    project = Project(tmp_path / "project", cluster)
    yield project
    if project.run and project.run.poll() is None:
        project.run.kill()
    cluster.control("up")
    cluster.run("scancel", "--user=root")
