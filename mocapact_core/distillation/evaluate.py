"""Evaluating a multi-clip policy on all snippets at once (paper section 5.1.1, Table 2 and Fig. 6)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.config import DistillationSettings, TrackingSettings
from mocapact_core.errors import InputError
from mocapact_core.files import write_json, write_npz
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.modules import Policy, best_device, torch_threads
from mocapact_core.provenance import provenance
from mocapact_core.tasks.episodes import Episodes, random_starts, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

MIN_STEPS = 30
"""Random starts lie at least this many steps before the end of a snippet, as in the evaluation of experts."""
RSI_PER_START = 5
"""Episodes from random steps for each one from the start of the snippet, as in the evaluation of experts."""


def evaluate_policy(
    folder: str | Path,
    clip_paths: Sequence[str | Path],
    snippets: Sequence[Snippet],
    output_npz: str | Path,
    output_json: str | Path,
    settings: DistillationSettings,
    tracking: TrackingSettings,
    seed: int,
) -> None:
    """Evaluate the policy in `folder`, the noise of the decoder off and the encoder's on, as in Table 2.

    `settings.evaluation_episodes` begin at random steps, spread evenly over the snippets; a fifth as many,
    and one of each snippet at least, begin at the start.

    `output_npz` holds `snippets` (S,), and of each episode the index of its `snippet`, its `start_step`,
    `from_start`, the published `ep_rews`, `ep_lens`, `ep_norm_rews`, `ep_norm_lens`, `rews_per_step`, and
    `joint_errors` (mean absolute joint angle error, radians). `output_json` has statistics over snippets.

    Raises:
        InputError: the folder holds no policy that tracks a reference, or one for other reference steps.
    """
    policy = load_policy(folder, best_device())
    _check(policy, folder, tracking)
    task = TrackingTask(
        references_of(clip_paths, snippets),
        settings.workers,
        policy.observables,
        tracking.ref_steps,
        min_steps=MIN_STEPS,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
    )
    chosen, steps, from_start = _starts(task, settings.evaluation_episodes, seed)
    policy.seed(seed)
    with torch_threads(settings.threads):
        episodes = run_episodes(task, chosen, steps, policy.predict, seed=seed)
    arrays = _arrays(episodes, snippets, from_start)
    write_npz(output_npz, arrays)
    used = settings.model_dump(include={"evaluation_episodes", "workers", "threads"})
    record = provenance({**used, "tracking": tracking}, inputs_of(folder, clip_paths), seed)
    write_json(
        output_json,
        {
            "rsi": _summary(arrays, ~from_start),
            "start": _summary(arrays, from_start),
            "provenance": record,
        },
    )


def references_of(clip_paths: Sequence[str | Path], snippets: Sequence[Snippet]) -> References:
    """The reference motion of `snippets`, from files of one clip each."""
    trajectories = [read_trajectory(path) for path in clip_paths]
    return References.of_snippets(snippets, {trajectory.name: trajectory for trajectory in trajectories})


def inputs_of(folder: str | Path, clip_paths: Sequence[str | Path]) -> dict[str, Path]:
    """The files that an evaluation of the policy in `folder` reads, for its provenance."""
    policy = {name: Path(folder) / name for name in ("policy.json", "model.safetensors")}
    return policy | {f"clip {Path(path).stem}": Path(path) for path in clip_paths}


def _starts(task: TrackingTask, n_episodes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(snippets, steps, from_start) of the episodes: first those from random steps, then from the start."""
    n_snippets = len(task.references)
    per_snippet = -(-n_episodes // n_snippets)
    at_random, steps = random_starts(task, per_snippet, MIN_STEPS, seed)
    at_start = np.repeat(np.arange(n_snippets), -(-per_snippet // RSI_PER_START))
    return (
        np.concatenate([at_random, at_start]),
        np.concatenate([steps, np.zeros(len(at_start), int)]),
        np.arange(len(at_random) + len(at_start)) >= len(at_random),
    )


def _arrays(episodes: Episodes, snippets: Sequence[Snippet], from_start: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "snippets": np.array([snippet.name for snippet in snippets]),
        "snippet": episodes.snippets,
        "start_step": episodes.starts,
        "from_start": from_start,
        "ep_rews": episodes.returns,
        "ep_lens": episodes.lengths,
        "ep_norm_rews": episodes.normalized_returns,
        "ep_norm_lens": episodes.normalized_lengths,
        "rews_per_step": episodes.returns / episodes.lengths,
        "joint_errors": episodes.joint_errors.mean(axis=1),
    }


def _summary(arrays: dict[str, np.ndarray], chosen: np.ndarray) -> dict[str, object]:
    """Statistics over snippets of the mean over each one's episodes."""
    of_snippet = arrays["snippet"][chosen]
    episodes = np.bincount(of_snippet)
    names = {
        "normalized_reward": "ep_norm_rews",
        "normalized_length": "ep_norm_lens",
        "reward_per_step": "rews_per_step",
        "joint_angle_error": "joint_errors",
    }
    means = {name: np.bincount(of_snippet, arrays[key][chosen]) / episodes for name, key in names.items()}
    return {"episodes": int(chosen.sum()), **{name: statistics(values) for name, values in means.items()}}


def statistics(values: np.ndarray) -> dict[str, float]:
    """As the tables of the paper show them."""
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def _check(policy: Policy, folder: str | Path, tracking: TrackingSettings) -> None:
    if not policy.ref_steps and "time_in_clip" not in policy.observables:
        raise InputError(
            f"{folder} holds a {type(policy).__name__}, which tracks no reference. Give the folder of a "
            "multi-clip policy; a GPT is evaluated by motion completion."
        )
    if policy.ref_steps and list(policy.ref_steps) != sorted(tracking.ref_steps):
        raise InputError(
            f"The policy in {folder} was trained with tracking.ref_steps {list(policy.ref_steps)}, but now "
            f"they are {tracking.ref_steps}. Change the setting, or train the policy again."
        )
