"""A SLURM of two nodes on this machine, where its packages and the rights for it are there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "cluster.sh"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")


class Cluster:
    """Nodes n1 and n2, with 4 CPUs and 16 GB each, in name; n2 has two GPUs, in name. See cluster.sh."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def control(self, *arguments: str) -> None:
        """What cluster.sh offers: `up`, `down`, `kill n1`, `stop controller`."""
        subprocess.run([SCRIPT, self.folder, *arguments], check=True)

    def run(self, *command: str) -> str:
        """What one of SLURM's programs prints."""
        return subprocess.run(
            command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def jobs(self, *arguments: str) -> list[list[str]]:
        """Id, state, node and comment (rule_<rule>_wildcards_<wildcards>) of each job that SLURM remembers."""
        lines = self.run("squeue", "--states=all", "--noheader", "--format=%i|%T|%N|%k", *arguments)
        return [line.split("|") for line in lines.splitlines()]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: apt install slurmctld slurmd slurm-client munge")
    if os.geteuid() != 0:
        pytest.skip("only root can run the daemons of SLURM")
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.control("up")
        yield cluster
    finally:
        cluster.control("down")


@pytest.fixture(autouse=True)
def whole(request):
    """Each test begins with both nodes up and no jobs."""
    if "cluster" not in request.fixturenames:
        return
    cluster = request.getfixturevalue("cluster")
    cluster.control("up")
    cluster.run("scancel", "--user=root")
