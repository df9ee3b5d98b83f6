"""Evaluating an expert: the protocols of Table 1 (noise off) and Table 9 (noise 0.1), from RSI and from the start."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.files import read_json, write_json, write_npz
from mocapact_core.humanoid.model import JOINTS
from mocapact_core.humanoid.physics import Physics
from mocapact_core.intervals import CONFIDENCE, mean_and_interval
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import parts
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import EvaluationSettings, TrackingSettings
from mocapact_core.tasks.episodes import Episodes, random_starts, run_episodes
from mocapact_core.tasks.measures import MEASURES, UNITS, published_arrays
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

NOISE = 0.1  # standard deviation of the noisy protocols, Table 9
PROTOCOLS = {"rsi": 0.0, "rsi_noisy": NOISE, "start": 0.0, "start_noisy": NOISE}
"""Name of each protocol and its noise. `rsi` is that of Table 1, `rsi_noisy` that of Table 9."""
WORKERS = 64
SUMMARY = "evaluation.json"


def evaluate_expert(
    trajectory_path: str | PathLike,
    snippet: Snippet,
    folder: str | PathLike,
    settings: EvaluationSettings,
    tracking: TrackingSettings,
    seed: int,
    physics: Physics | None = None,
    resume: bool = False,
) -> dict[str, Any]:
    """Evaluate the expert in `folder`; writes evaluation/<protocol>.npz and, last, evaluation.json there.

    Args:
        trajectory_path: file of the clip.
        physics: `WORKERS` worlds to use instead of new ones; results do not depend on it.
        resume: keep an evaluation that is there, if this one would be of the same expert, clip, settings, seed
            and versions.

    Returns:
        The content of evaluation.json: by protocol, the number of `episodes`, their `noise`, the `success_rate`
        (share of episodes that reach the end), mean and confidence interval (`low`, `high`) of each of
        `MEASURES`, and `joint_angle_errors`, the mean of each joint; also the `units` and the `provenance`.

    Raises:
        InputError: the clip or the expert is missing or damaged, or the snippet is too short to track.
    """
    torch.set_num_threads(1)
    folder = Path(folder)
    expert = Expert.load(folder)
    segment = read_trajectory(trajectory_path, snippet.clip).segment(snippet.start, snippet.end)
    record = provenance(
        {"evaluation": settings, "tracking": tracking},
        {"clip": trajectory_path, **{part.name: part for part in parts(folder)}},
        seed,
    )
    if resume and (finished := _finished(folder / SUMMARY, record)):
        return finished
    task = TrackingTask(
        References([segment]),
        WORKERS,
        observables=expert.observables,
        ref_steps=tracking.ref_steps,
        termination_error=tracking.termination_error,
        physics=physics,
    )
    protocols = {}
    for protocol in PROTOCOLS:
        episodes = run_protocol(protocol, task, expert, snippet, settings, seed)
        write_npz(folder / "evaluation" / f"{protocol}.npz", published_arrays(episodes))
        bootstrap_seed = derived_seed(seed, "evaluation", snippet.name, protocol, "bootstrap")
        protocols[protocol] = {"noise": PROTOCOLS[protocol], **summarize(episodes, bootstrap_seed)}
    summary = {
        "snippet": snippet.name,
        "protocols": protocols,
        "confidence": CONFIDENCE,
        "units": UNITS,
        "provenance": record,
    }
    write_json(folder / SUMMARY, summary)
    return summary


def run_protocol(
    protocol: str,
    task: TrackingTask,
    expert: Expert,
    snippet: Snippet,
    settings: EvaluationSettings,
    seed: int,
) -> Episodes:
    """The episodes of a protocol, on the only snippet of `task`."""
    start_seed = derived_seed(seed, "evaluation", snippet.name, "starts")
    noise_seed = derived_seed(seed, "evaluation", snippet.name, protocol)
    if protocol.startswith("rsi"):
        starts = random_starts(task, settings.rsi_episodes, settings.min_steps, start_seed)
    else:
        starts = (np.zeros(settings.start_episodes, int),) * 2
    return run_episodes(
        task, *starts, lambda o, state, _: expert.predict(o, state), PROTOCOLS[protocol], noise_seed
    )


def summarize(episodes: Episodes, seed: int) -> dict[str, Any]:
    """What evaluation.json says of the episodes of one protocol."""
    return {
        "episodes": len(episodes.returns),
        "success_rate": float(1 - episodes.terminated.mean()),
        **{name: mean_and_interval(measure(episodes), seed) for name, measure in MEASURES.items()},
        "joint_angle_errors": dict(zip(JOINTS, episodes.joint_errors.mean(axis=0).tolist(), strict=True)),
    }


def _finished(path: Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """The evaluation that was written to `path`, if it has this provenance and the same is measured."""
    try:
        summary = read_json(path)
        return summary if (summary["provenance"], summary["units"]) == (record, UNITS) else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
