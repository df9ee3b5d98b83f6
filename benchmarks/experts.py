"""How soon do experts track real motion, and what does each part of the recipe bring?

    python -m benchmarks.experts train AMC_FOLDER FOLDER [--clips walk turn] [--variants fast paper] [--seeds 1 2 3]
    python -m benchmarks.experts draw FOLDER OUTPUT

`train` trains one expert after another, each in a folder of its own, and keeps its curve with the CPU and wall seconds
that it took, sampling, warm start and evaluations included. It can be stopped at any time; experts that are done are not
trained again. `draw` draws the curves that are there, one row a clip.
Variants are config/cmu.yaml with one part left out; `paper` is config/paper.yaml for as many CPU seconds as `fast` took.
"""

import argparse
import contextlib
import shutil
import time
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
from stable_baselines3.common.logger import KVWriter

from mocapact_core.clips.amc import find_amc
from mocapact_core.clips.retarget import import_amc
from mocapact_core.clips.snippets import Snippet, parse_snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.config import Config, load_config
from mocapact_core.experts import train
from mocapact_core.figures.style import GREY, INK, PALETTE, TEXT_WIDTH, figure

CLIPS = {
    "stand": "CMU_002_05-0-193",
    "walk": "CMU_016_15-0-127",
    "turn": "CMU_016_17-0-140",
    "run": "CMU_035_17-0-43",
    "jump": "CMU_016_01-0-86",
}
"""Punches in standing, a walk, a walk with a left turn, a run and a jump."""
VARIANTS: dict[str, dict[str, Any]] = {
    "fast": {},
    "plain critic": {"critic": "plain"},
    "fixed rate": {"target_kl": None},
    "no bootstrap": {"bootstrap_at_end": False},
    "starts at random": {"start_share": 0.0},
    "inverse dynamics": {"warm_start": "inverse_dynamics"},
    "random weights": {"warm_start": "none"},
    "paper": {},
}
TARGETS = {"normalized_length": 0.98, "normalized_reward": 0.69}
CURVE = "curve.csv"
KEY = "evaluation/"  # what the names of evaluated numbers begin with
COLOURS = (*PALETTE, INK, GREY)


class OutOfTime(Exception):
    pass


class Clock(KVWriter):
    """Keeps every evaluation with the time that training took until then, and ends it where its time is over."""

    def __init__(self, limit: float):
        self.limit, self.rows = limit, list[dict[str, float]]()
        self.began = time.process_time(), time.perf_counter()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, Any], step: int = 0) -> None:
        row = {name.removeprefix(KEY): value for name, value in key_values.items() if name.startswith(KEY)}
        if row:
            cpu, wall = time.process_time() - self.began[0], time.perf_counter() - self.began[1]
            self.rows.append({**row, "cpu_seconds": cpu, "wall_seconds": wall})
            if cpu > self.limit:
                raise OutOfTime

    def close(self) -> None:
        pass


def train_one(clip: Path, snippet: Snippet, folder: Path, config: Config, seed: int, limit: float) -> None:
    """Train an expert; writes curve.csv when it is done or its time is over."""
    clock = Clock(limit)
    with (
        mock.patch.object(train, "open_writers", lambda *_, **__: [clock]),
        contextlib.suppress(OutOfTime),
    ):
        train.train_expert(clip, snippet, folder, config.experts, config.tracking, seed)
    pd.DataFrame(clock.rows).to_csv(folder / CURVE, index=False)


def train_all(options: argparse.Namespace) -> None:
    for seed, name, variant in product(options.seeds, options.clips, options.variants):
        snippet = parse_snippet(CLIPS[name])
        folder = options.folder / name / variant.replace(" ", "_") / str(seed)
        if (folder / CURVE).exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)  # its clock has not counted what an interrupted run took
        print(f"{name}, {variant}, seed {seed}", flush=True)
        clip = options.folder / "clips" / f"{snippet.clip}.h5"
        if not clip.exists():
            write_trajectory(clip, import_amc(find_amc(options.amc)[snippet.clip]))
        train_one(clip, snippet, folder, configuration(variant, options.steps), seed, limit(folder, variant))


def configuration(variant: str, steps: int | None) -> Config:
    preset = "config/paper.yaml" if variant == "paper" else "config/cmu.yaml"
    config = load_config("config.yaml", preset)
    changes = VARIANTS[variant] | ({"total_steps": steps} if steps and variant != "paper" else {})
    if variant == "paper":
        changes["evaluate_every"] = load_config("config.yaml", "config/cmu.yaml").experts.evaluate_every
        changes["evaluation_episodes"] = load_config("config.yaml").experts.evaluation_episodes
        changes["evaluation_start_episodes"] = load_config("config.yaml").experts.evaluation_start_episodes
    return config.model_copy(update={"experts": config.experts.model_copy(update=changes)})


def limit(folder: Path, variant: str) -> float:
    """CPU seconds that a variant may take: of `paper`, as many as `fast` took."""
    if variant != "paper":
        return float("inf")
    fast = folder.parents[1] / "fast" / folder.name / CURVE
    if not fast.exists():
        raise SystemExit(f"There is no {fast}: train the variant `fast` first, whose time `paper` is given.")
    return float(pd.read_csv(fast)["cpu_seconds"].iloc[-1])


def draw(options: argparse.Namespace) -> None:
    curves = {
        file.relative_to(options.folder).parts[:3]: pd.read_csv(file) for file in _curves(options.folder)
    }
    names = [name for name in CLIPS if any(name == clip for clip, _, _ in curves)]
    colours = {variant.replace(" ", "_"): colour for variant, colour in zip(VARIANTS, COLOURS, strict=True)}
    with figure(options.output, TEXT_WIDTH, 1.7 * len(names) + 0.4) as page:
        grid = page.subplots(len(names), 2, squeeze=False, sharex="row", sharey="col")
        for (row, name), (column, score) in product(enumerate(names), enumerate(TARGETS)):
            axis = grid[row, column]
            for (clip, variant, _), curve in curves.items():
                if clip == name:
                    axis.plot(curve["cpu_seconds"] / 60, curve[score], color=colours[variant], lw=1)
            axis.axhline(TARGETS[score], color=GREY, lw=0.6, ls=":")
            axis.set(xlim=(0, None), ylim=(0, None), ylabel=score.replace("_", " "))
            axis.set_title(name, loc="left")
        for axis in grid[-1]:
            axis.set_xlabel("CPU minutes")
        for variant in sorted({variant for _, variant, _ in curves}):
            grid[0, 0].plot([], [], color=colours[variant], lw=1, label=variant.replace("_", " "))
        grid[0, 0].legend()


def _curves(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"*/*/*/{CURVE}"))
    if not found:
        raise SystemExit(f"There is no {CURVE} in {folder}: train first.")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train")
    command.add_argument("amc", type=Path, help="folder of CMU's AMC and ASF files")
    command.add_argument("folder", type=Path, help="of experts and curves")
    command.add_argument("--clips", nargs="+", choices=CLIPS, default=list(CLIPS))
    command.add_argument("--variants", nargs="+", choices=VARIANTS, default=["fast", "paper"])
    command.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    command.add_argument("--steps", type=int, help="environment steps, instead of those of config/cmu.yaml")
    command.set_defaults(action=train_all)
    command = commands.add_parser("draw")
    command.add_argument("folder", type=Path)
    command.add_argument("output", type=Path, help="PDF and PNG, without the suffix")
    command.set_defaults(action=draw)
    options = parser.parse_args()
    options.action(options)


if __name__ == "__main__":
    main()
