"""Evaluating an expert: the protocols of Table 1 (noise off) and Table 9 (noise 0.1), from RSI and from the start."""

from os import PathLike
from pathlib import Path

import numpy as np
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import EvaluationSettings, TrackingSettings
from mocapact_core.files import write_json, write_npz
from mocapact_core.policies.expert import MODEL, NORMALIZER, Expert
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.tasks.episodes import Episodes, random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

NOISE = 0.1  # standard deviation of the noisy protocols, Table 9
PROTOCOLS = {"rsi": 0.0, "rsi_noisy": NOISE, "start": 0.0, "start_noisy": NOISE}
"""Name of each protocol and its noise. `rsi` is that of Table 1, `rsi_noisy` that of Table 9."""
WORKERS = 64


def evaluate_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    settings: EvaluationSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Evaluate the expert in `folder`; writes evaluation/<protocol>.npz and, last, evaluation.json there."""
    torch.set_num_threads(1)
    folder = Path(folder)
    expert = Expert.load(folder)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    task = TrackingTask(
        References([segment]),
        WORKERS,
        observables=expert.observables,
        ref_steps=tracking.ref_steps,
        termination_error=tracking.termination_error,
    )
    summary = {}
    start_seed = derived_seed(seed, "evaluation", snippet.name, "starts")
    for protocol, noise in PROTOCOLS.items():
        starts = starts_of(protocol, task, settings, start_seed)
        noise_seed = derived_seed(seed, "evaluation", snippet.name, protocol)
        episodes = run_episodes(
            task, *starts, lambda o, state, _: expert.predict(o, state), noise, noise_seed
        )
        write_npz(folder / "evaluation" / f"{protocol}.npz", published_arrays(episodes))
        summary[protocol] = summarize(episodes)
    record = provenance(
        {"evaluation": settings, "tracking": tracking},
        {"clip": trajectory_path, "model": folder / MODEL, "normalizer": folder / NORMALIZER},
        seed,
    )
    write_json(
        folder / "evaluation.json", {"snippet": snippet.name, "protocols": summary, "provenance": record}
    )


def starts_of(
    protocol: str, task: TrackingTask, settings: EvaluationSettings, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """(snippets, steps) of the episodes of a protocol."""
    if protocol.startswith("rsi"):
        return random_starts(task, settings.rsi_episodes, settings.min_steps, seed)
    zeros = np.zeros(settings.start_episodes, int)
    return zeros, zeros


def published_arrays(episodes: Episodes) -> dict[str, np.ndarray]:
    """The keys of MoCapAct's evaluation files, one entry an episode."""
    return {
        "ep_rews": episodes.returns,
        "ep_lens": episodes.lengths,
        "ep_norm_rews": episodes.normalized_returns,
        "ep_norm_lens": episodes.normalized_lengths,
        "rews_per_step": episodes.returns / episodes.lengths,
    }


def summarize(episodes: Episodes) -> dict[str, float | int]:
    """Means over the episodes; the joint angle error is in radians."""
    return {
        "episodes": len(episodes.returns),
        "normalized_reward": float(episodes.normalized_returns.mean()),
        "normalized_length": float(episodes.normalized_lengths.mean()),
        "reward_per_step": float((episodes.returns / episodes.lengths).mean()),
        "joint_angle_error": float(episodes.joint_errors.mean()),
        "early_terminations": float(episodes.terminated.mean()),
    }
