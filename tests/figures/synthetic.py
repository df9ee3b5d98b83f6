"""Result files as the stages before write them, with invented numbers, to draw figures from."""

import csv
import json
from pathlib import Path

import numpy as np


def experts(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """Evaluations of `n` experts in experts/<snippet>/evaluation/rsi.npz."""
    rng = np.random.default_rng(seed)
    paths = []
    for index in range(n):
        path = folder / f"experts/CMU_{index:03d}_01-0-{100 + index % 90}/evaluation/rsi.npz"
        path.parent.mkdir(parents=True)
        lengths = np.minimum(1, rng.normal(1.0 + 0.05 * rng.standard_normal(), 0.03, 20))
        rewards = lengths * np.clip(rng.choice([0.7, 1.0]) + 0.08 * rng.standard_normal(20), 0, 1.4)
        np.savez(path, ep_norm_rews=rewards, ep_norm_lens=lengths)
        paths.append(path)
    return paths


def policy(folder: Path, name: str, snippets: list[str], seed: int = 0, episodes: int = 7) -> Path:
    """The evaluation of a multi-clip policy; its episodes are in random order."""
    rng = np.random.default_rng(seed)
    snippet = rng.permutation(np.repeat(np.arange(len(snippets)), episodes))
    lengths = np.clip(rng.normal(0.87, 0.1, len(snippet)), 0, 1)
    rewards = lengths * (0.75 + 0.15 * np.sin(snippet) + 0.03 * rng.standard_normal(len(snippet)))
    path = folder / f"distillation/{name}/evaluation.npz"
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        snippets=np.array(snippets),
        snippet=snippet,
        ep_rews=rewards * 100,
        ep_lens=np.round(lengths * 100),
        ep_norm_rews=rewards,
        ep_norm_lens=lengths,
        rews_per_step=rewards / lengths,
    )
    return path


def completion(folder: Path, snippets: list[str], longest: int = 500, seed: int = 0) -> Path:
    """Motion completions: sines that differ from the expert's by a phase that grows with the snippet."""
    rng = np.random.default_rng(seed)
    lengths = np.clip((rng.gamma(2.0, 80.0, len(snippets))).astype(int), 8, longest)
    expert_lengths = np.full(len(snippets), 120)
    phases = rng.uniform(0, 2 * np.pi, 56)

    def actions(n: int, shift: float) -> np.ndarray:
        wave = np.sin(0.15 * np.arange(n)[:, None] + phases + shift)
        return (0.5 * wave + 0.02 * rng.standard_normal((n, 56))).astype(np.float32)

    path = folder / "distillation/gpt/completion.npz"
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
