"""A copy of the workflow whose jobs are quick: the real Snakefile, rules, settings and plan, with scripts that only
write down what they were given. The library is copied too, so that tests can edit it."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The code fingerprint follows the imports of the real script, which stays inside, uncalled.
DOUBLE = """
def original():
{original}

import hashlib
from pathlib import Path

given = [repr(snakemake.params), repr(snakemake.wildcards)]
given += [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in snakemake.input]
for path in snakemake.output:
    text = hashlib.sha256(repr((path, given)).encode()).hexdigest()
    if path.endswith(".png"):
        from PIL import Image

        Image.new("RGB", (40, 30), "#" + text[:6]).save(path)
    else:
        Path(path).write_text(text)
"""

# For draw.py: what the rule gives is what `draw` of its module takes.
TAKES = """
import ast

module = ast.parse(Path(f"mocapact_core/figures/{snakemake.rule}.py").read_text())
[draw] = [part.args for part in module.body if isinstance(part, ast.FunctionDef) and part.name == "draw"]
taken = [argument.arg for argument in draw.args]
given = {*snakemake.input.keys(), *snakemake.params.arguments, "output"}
assert given <= set(taken) and given >= set(taken[: len(taken) - len(draw.defaults)]), (given, taken)
"""

SETTINGS = """
clips: {subset: [stand, wave]}
transfer: {tasks: [go_to_target]}
figures: {videos: false}
"""


class Copy:
    """A copy of the repository in which Snakemake runs."""

    def __init__(self, root: Path):
        self.root = root
        self.environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}

    def command(self, *arguments: str, preset: str = "less.yaml", settings: str = "") -> list[str]:
        """Snakemake with a preset and more settings (YAML) laid over the copy's config.yaml."""
        (self.root / "more.yaml").write_text(settings or "{}")
        return [sys.executable, "-m", "snakemake", *arguments, "--configfile", preset, "more.yaml"]

    def snakemake(
        self, *arguments: str, preset: str = "less.yaml", settings: str = ""
    ) -> subprocess.CompletedProcess:
        """Run it, see `command`."""
        command = self.command(*arguments, preset=preset, settings=settings)
        return subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, text=True)

    def planned(self, *targets: str, settings: str = "") -> set[str]:
        """The jobs that a dry run plans, as `rule` or `rule wildcard wildcard`, without target rules."""
        run = self.snakemake("--dry-run", *targets, settings=settings)
        assert run.returncode == 0, run.stdout + run.stderr
        jobs = set()
        for block in re.split(r"\n(?=(?:local)?rule )", run.stdout + run.stderr):
            rule = re.match(r"(?:local)?rule (\w+):", block)
            wildcards = re.search(r"\n    wildcards: (.*)", block)
            if rule and "\n    output:" in block:
                values = re.findall(r"=([^,]+)", wildcards[1]) if wildcards else []
                jobs.add(" ".join([rule[1], *values]))
        return jobs

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text()
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1))


def copy_workflow(root: Path) -> Path:
    """The repository without its scripts."""
    root.mkdir()
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, root)
    for name in ("rules", "profiles", "envs", "config", "mocapact_core"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A copy in which everything has been made."""
    root = copy_workflow(tmp_path_factory.mktemp("workflow") / "finished")
    (root / "workflow_scripts").mkdir()
    for script in (ROOT / "workflow_scripts").glob("*.py"):
        double = DOUBLE.format(original=textwrap.indent(script.read_text(), "    "))
        (root / "workflow_scripts" / script.name).write_text(double + TAKES * (script.name == "draw.py"))
    (root / "less.yaml").write_text(SETTINGS)
    run = Copy(root).snakemake("--cores", "2", "--quiet", "all")
    assert run.returncode == 0, run.stdout + run.stderr
    return root


@pytest.fixture
def workflow(finished, tmp_path) -> Copy:
    """A fresh copy of the finished one, times of change and Snakemake's records included."""
    root = tmp_path / "copy"
    shutil.copytree(finished, root)
    return Copy(root)
