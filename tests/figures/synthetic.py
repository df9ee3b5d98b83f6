"""Result files as the stages before write them, with invented numbers, to draw figures from."""

import csv
import json
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from mocapact_core.clips.snippets import parse_snippet, write_table
from mocapact_core.experts.evaluate import SUMMARY
from mocapact_core.experts.evaluation_table import write_table as write_evaluations
from mocapact_core.tasks.measures import MEASURES


def experts(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """Evaluations of `n` experts in experts/<snippet>/evaluation/rsi.npz, and what else there is of them: rsi_noisy.npz
    and start.npz beside it, their means in evaluation.json and experts/evaluation.csv, and the training, progress.csv."""
    rng = np.random.default_rng(seed)
    paths = []
    for index in range(n):
        path = folder / f"experts/CMU_{index:03d}_01-0-{100 + index % 90}/evaluation/rsi.npz"
        path.parent.mkdir(parents=True)
        lengths = np.minimum(1, rng.normal(1.0 + 0.05 * rng.standard_normal(), 0.03, 20))
        rewards = lengths * np.clip(rng.choice([0.7, 1.0]) + 0.08 * rng.standard_normal(20), 0, 1.4)
        episodes = {"rsi": (rewards, lengths)}
        for name, share in (("rsi_noisy", 0.85), ("start", 1.05)):
            noise = share + 0.03 * rng.standard_normal(20)
            episodes[name] = rewards * noise, lengths * noise
        for name, (of_rewards, of_lengths) in episodes.items():
            np.savez(path.with_name(f"{name}.npz"), ep_norm_rews=of_rewards, ep_norm_lens=of_lengths)
        _summary(path.parents[1], episodes)
        _progress(
            path.parents[1] / "progress.csv", 6 - index % 3, float(rewards.mean()), float(lengths.mean())
        )
        paths.append(path)
    write_evaluations(folder / "experts/evaluation.csv", [path.parents[1] / SUMMARY for path in paths])
    return paths


def _summary(folder: Path, episodes: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """evaluation.json of an expert, from rewards and lengths of the episodes of each protocol."""
    protocols = {}
    for name, (rewards, lengths) in episodes.items():
        means = dict.fromkeys(MEASURES, 0.5)
        means |= {"normalized_reward": fmean(rewards), "normalized_length": fmean(lengths)}
        measured = {
            measure: {"mean": mean, "low": mean - 0.1, "high": mean + 0.1} for measure, mean in means.items()
        }
        protocols[name] = {"noise": 0.1, "episodes": len(rewards), "success_rate": 1.0, **measured}
    (folder / SUMMARY).write_text(json.dumps({"snippet": folder.name, "protocols": protocols}))


def _progress(path: Path, evaluations: int, reward: float, length: float) -> None:
    """A training that ends after so many evaluations, a million steps apart."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        names = ["normalized_reward", "normalized_length"]
        writer.writerow(["steps", *names, *(f"start_{name}" for name in names)])
        for evaluation in range(evaluations):
            risen = 1 - np.exp(-0.5 - evaluation)
            scores = [reward * risen, length * risen, reward, length]
            writer.writerow([evaluation * 1_000_000, *(f"{score:.6f}" for score in scores)])


def strips(folder: Path, snippets: list[str]) -> list[Path]:
    """Rows of poses: pictures of one colour each."""
    paths = [folder / f"videos/{snippet}.png" for snippet in snippets]
    for index, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (240, 44), (10 * index, 100, 200)).save(path)
    return paths


def table(folder: Path, snippets: list[str]) -> Path:
    """clips/snippets.tsv."""
    path = folder / "clips/snippets.tsv"
    path.parent.mkdir()
    write_table(path, map(parse_snippet, snippets))
    return path


def policy(
    folder: Path,
    name: str,
    snippets: list[str],
    seed: int = 0,
    file: str = "evaluation.npz",
) -> Path:
    """The evaluation of a multi-clip policy; its episodes are in random order, two of nine from the start."""
    rng = np.random.default_rng(seed)
    snippet = rng.permutation(np.repeat(np.arange(len(snippets)), 9))
    from_start = np.zeros(len(snippet), bool)
    for index in range(len(snippets)):
        from_start[np.flatnonzero(snippet == index)[:2]] = True
    lengths = np.clip(rng.normal(0.87, 0.1, len(snippet)), 0, 1)
    rewards = lengths * (0.75 + 0.15 * np.sin(snippet) + 0.03 * rng.standard_normal(len(snippet)))
    path = folder / f"distillation/{name}/{file}"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        snippets=np.array(snippets),
        snippet=snippet,
        from_start=from_start,
        ep_rews=rewards * 100,
        ep_lens=np.round(lengths * 100),
        ep_norm_rews=rewards,
        ep_norm_lens=lengths,
        rews_per_step=rewards / lengths,
    )
    return path


def validation(folder: Path, name: str, final: float, seed: int = 0) -> Path:
    """Evaluations of a multi-clip policy during its training."""
    rng = np.random.default_rng(seed)
    path = folder / f"distillation/{name}/validation.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["step", "loss", "normalized_reward", "normalized_length"])
        for step in range(5000, 55000, 5000):
            risen = final * (1 - np.exp(-step / 12000)) + 0.01 * rng.standard_normal()
            writer.writerow([step, 1.0, f"{risen:.6g}", f"{min(1, 1.2 * risen):.6g}"])
    return path


def whole_clips(n: int) -> list[str]:
    """Names of `n` clips of 2.5 seconds to three minutes, as snippets."""
    return [f"CMU_{index:03d}_01-0-{80 + (index * index * 37) % 6292}" for index in range(n)]


def completion(folder: Path, snippets: list[str], longest: int = 500, seed: int = 0) -> Path:
    """Motion completions: sines that differ from the expert's by a phase that grows with the snippet."""
    rng = np.random.default_rng(seed)
    lengths = np.clip((rng.gamma(2.0, 80.0, len(snippets))).astype(int), 8, longest)
    expert_lengths = np.full(len(snippets), 120)
    phases = rng.uniform(0, 2 * np.pi, 56)

    def actions(n: int, shift: float) -> np.ndarray:
        wave = np.sin(0.15 * np.arange(n)[:, None] + phases + shift)
        return (0.5 * wave + 0.02 * rng.standard_normal((n, 56))).astype(np.float32)

    path = folder / "distillation/gpt/0/completion.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        snippets=np.array(snippets),
        snippet=np.arange(len(snippets)),
        lengths=lengths,
        actions=np.concatenate([actions(n, shift) for shift, n in enumerate(lengths)]),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        expert_actions=np.concatenate([actions(n, 0) for n in expert_lengths]),
        expert_offsets=np.concatenate([[0], np.cumsum(expert_lengths)]),
    )
    return path


def transfer(
    folder: Path, tasks: tuple[str, ...], low_levels: tuple[str, ...], seeds: int
) -> tuple[list[Path], list[Path]]:
    """Evaluations and training curves of transfer runs."""
    rng = np.random.default_rng(0)
    evaluations, curves = [], []
    for task in tasks:
        for rank, low_level in enumerate(low_levels):
            for seed in range(seeds):
                run = folder / f"transfer/{task}/{low_level}/{seed}"
                run.mkdir(parents=True)
                final = 100 / (1 + rank) + rng.normal()
                (run / "evaluation.json").write_text(json.dumps({"mean_return": final}))
                with open(run / "progress.csv", "w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(["steps", "return", "length", "episodes"])
                    writer.writerow([16384, "", "", 0])  # an update during which no episode ended
                    for update in range(2, 2 + 12 + seed):
                        steps = 16384 * update
                        level = final * (1 - np.exp(-update / 5)) + rng.normal()
                        writer.writerow([steps, f"{level:.6g}", 40, 9])
                evaluations.append(run / "evaluation.json")
                curves.append(run / "progress.csv")
    return evaluations, curves
