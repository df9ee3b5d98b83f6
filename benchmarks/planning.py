"""How long does Snakemake plan, and with how much memory, for 100, 2589 and 25,000 snippets of the paper's configuration?

    python -m benchmarks.planning [--plans 100 2589 25000] [--made 100 2589] [--folder /tmp]

100 snippets are those of every 26th clip, 2589 those of all, and 25,000 the same clips in pieces of 52 control steps. Of
each,

    plan      `snakemake -n` before anything is there;
    no-op     `snakemake` when everything has been made (sizes in --made only);
    touched   the same after every result was touched, as by a copy that does not keep times: all are compared by content;
    one clip  `snakemake -n` after the file of one clip has changed. Its jobs are compared with those that they ought to be.

Everything is made by the real rules with their inputs, outputs and params, but by `touch` in place of their scripts: what
Snakemake records of empty files is as of others, only their checksums are had for nothing. Nothing is downloaded. Times are
those of the whole command, CPU time that of user and system.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from mocapact_core.clips.sources import Plan, plan
from mocapact_core.config import load_config

ROOT = Path(__file__).parents[1]
PRESETS = (ROOT / "config.yaml", ROOT / "config" / "paper.yaml")
SHORT = {"max_snippet_steps": 52, "overlap_steps": 33}  # 24,815 snippets
EVERY = 26  # 111 snippets


class Cost(NamedTuple):
    """What a command took, and what it said."""

    wall: float
    cpu: float
    megabytes: float
    output: str

    def __str__(self) -> str:
        return f"{self.wall:6.1f} s {self.cpu:6.1f} s of CPU {self.megabytes:5.0f} MB"


def sized(n: int) -> dict:
    """Settings of clips for about so many snippets."""
    if n > 2589:
        return SHORT
    return {} if n == 2589 else {"subset": list(plan(load_config(*PRESETS).clips).clips)[::EVERY]}


class Run:
    """A folder in which Snakemake works with the paper's configuration."""

    def __init__(self, folder: Path, clips: dict):
        self.folder = folder
        shutil.copy(ROOT / "config.yaml", folder)
        (folder / "profiles").symlink_to(ROOT / "profiles")
        (folder / "size.yaml").write_text(yaml.safe_dump({"clips": clips}))
        settings = load_config(*PRESETS, folder / "size.yaml")
        self.plan: Plan = plan(settings.clips, settings.tracking)
        self.results = folder / settings.results

    def snakemake(self, *arguments: str, rules: Path = ROOT) -> Cost:
        """Run it with the workflow in this folder."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(rules / "Snakefile"), *arguments]
        command += ["--configfile", str(PRESETS[1]), "size.yaml"]
        with open(self.folder / "output", "wb") as output:
            began = time.perf_counter()
            child = os.fork()
            if child == 0:
                os.chdir(self.folder)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                os.execvpe(command[0], command, os.environ | {"PYTHONPATH": str(ROOT)})
            _, status, usage = os.wait4(child, 0)
            wall = time.perf_counter() - began
        text = (self.folder / "output").read_text()
        if status:
            raise RuntimeError(f"{' '.join(command)} failed:\n{text[-3000:]}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3, text)

    def make(self) -> float:
        """Make everything with `touch`: the seconds that took."""
        quick = self.folder / "quick"
        (quick / "rules").mkdir(parents=True)
        shutil.copy(ROOT / "Snakefile", quick)
        for name in ("mocapact_core", "workflow_scripts", "envs"):
            (quick / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "rules" / "captions", quick / "rules" / "captions")
        for file in (ROOT / "rules").glob("*.smk"):
            text = re.sub(r'script:\n( +)"[^"]+"', r'shell:\n\1"touch {output}"', file.read_text())
            (quick / "rules" / file.name).write_text(text)
        # Many at a time, as Snakemake looks at all that are ready before it starts some.
        return self.snakemake("--cores", "64", "--quiet", "all", rules=quick).wall

    def touch(self) -> int:
        """Touch all results: how many these are."""
        files = [path for path in self.results.rglob("*") if path.is_file()]
        for path in files:
            os.utime(path)
        return len(files)


def jobs(output: str) -> Counter[tuple[str, str]]:
    """Rule and wildcards of the jobs in a plan."""
    blocks = re.split(r"\n(?=(?:local)?rule )", output)
    found = (re.match(r"(?:local)?rule (\w+):", block) for block in blocks)
    wildcards = (re.search(r"\n    wildcards: \w+=(.*)", block) for block in blocks)
    return Counter(
        (rule[1], of[1] if of else "") for rule, of in zip(found, wildcards, strict=True) if rule is not None
    )


def check_one_clip(planned: Counter[tuple[str, str]], clip: str, every: Plan) -> str:
    """What is planned after a clip has changed, once a job; what belongs to another clip or snippet is an error."""
    snippets = [snippet.name for snippet in every.snippets if snippet.clip == clip]
    expected = {(rule, clip) for rule in ("collect_rollouts", "measure_rollouts")}
    expected |= {(rule, name) for rule in ("train_expert", "evaluate_expert") for name in snippets}
    own = {
        job for job in planned if {job[1]} & ({*every.clips} | {snippet.name for snippet in every.snippets})
    }
    if own != expected or max(planned.values()) > 1:
        raise RuntimeError(f"planned {sorted(own - expected)}, not planned {sorted(expected - own)}")
    return f"{len(own)} of its own, {len(planned) - len(own)} of all"


def measure(folder: Path, n: int, made: bool) -> None:
    run = Run(folder, sized(n))
    first = run.snakemake("-n")
    print(
        f"{len(run.plan.snippets):,} snippets of {len(run.plan.clips)} clips, {len(jobs(first.output)):,} jobs"
    )
    print(f"  plan      {first}", flush=True)
    if not made:
        return
    print(f"  (made in {run.make():.0f} s)", flush=True)
    print(f"  no-op     {nothing(run)}", flush=True)
    touched = run.touch()
    print(f"  touched   {nothing(run)}, {touched:,} files", flush=True)
    clip = list(run.plan.clips)[len(run.plan.clips) // 2 + 1]
    (run.results / "clips" / f"{clip}.h5").write_text("another motion")
    changed = run.snakemake("-n")
    print(f"  one clip  {changed}, jobs: {check_one_clip(jobs(changed.output), clip, run.plan)}", flush=True)


def nothing(run: Run) -> Cost:
    cost = run.snakemake("--cores", "1")
    if "Nothing to be done" not in cost.output:
        raise RuntimeError(f"not a no-op:\n{cost.output[-3000:]}")
    return cost


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--plans", type=int, nargs="*", default=[100, 2589, 25_000], help="about so many snippets"
    )
    parser.add_argument("--made", type=int, nargs="*", default=[100, 2589], help="of these also what follows")
    parser.add_argument("--folder", type=Path, help="where to put temporary folders")
    options = parser.parse_args(arguments)
    for n in options.plans:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            measure(Path(folder), n, n in options.made)


if __name__ == "__main__":
    main()
