"""Evaluating a multi-clip policy on all snippets at once, and on whole clips (paper section 5.1.1, appendix C.2.3)."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.clips.library import Library, clip_inputs
from mocapact_core.clips.snippets import Snippet
from mocapact_core.errors import InputError
from mocapact_core.files import write_json, write_npz
from mocapact_core.intervals import CONFIDENCE, mean_and_interval
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.modules import Policy, best_device, torch_threads
from mocapact_core.policies.npmp import NPMP
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import DistillationSettings, TrackingSettings
from mocapact_core.tasks import measures
from mocapact_core.tasks.episodes import MIN_STEPS, RSI_PER_START, Episodes, random_starts, run_episodes
from mocapact_core.tasks.episodes import Policy as Acting
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

SUMMARY = "evaluation.json"
ARRAYS = {"snippets": "evaluation.npz", "clips": "evaluation_clips.npz"}
"""The file of episodes on snippets, and of those on whole clips."""
COLUMNS = ("policy", "of", "protocol", *measures.COLUMNS)
"""Of the table of evaluations: `policy` is its folder, `of` says whether of snippets or of clips."""


def evaluate_policy(
    folder: str | Path,
    clip_paths: Sequence[str | Path],
    snippets: Sequence[Snippet],
    output: str | Path,
    settings: DistillationSettings,
    tracking: TrackingSettings,
    seed: int,
) -> dict[str, Any]:
    """Evaluate the policy in `folder` on `snippets`, and on their clips from the first to the last frame.

    Of each, `settings.evaluation_episodes` begin at random steps, spread evenly over the snippets (clips), and a
    fifth as many, one of each at least, at the start. `settings.evaluation_noise` says what is left to chance;
    with the same seed, all policies begin at the same steps.

    `output` gets evaluation.npz and evaluation_clips.npz, which hold `snippets` (S,), of whole clips as well, and of
    each episode the index of its `snippet`, its `start_step`, `from_start`, the published `ep_rews`, `ep_lens`,
    `ep_norm_rews`, `ep_norm_lens`, `rews_per_step`, and `joint_errors` (mean absolute joint angle error, radians).

    Returns:
        What is written to evaluation.json, last: for `snippets` and for `clips`, by protocol (`rsi`: from random
        steps; `start`), the number of `episodes`, and over snippets, of the mean over each one's episodes, the
        `success_rate` and statistics of each of `tasks.measures.MEASURES` with the confidence interval of the mean
        (`low`, `high`); also the `noise`, the `units` and the `provenance`.

    Raises:
        InputError: the folder holds no policy that tracks a reference, or one for other reference steps.
    """
    policy = load_policy(folder, best_device())
    check_tracks(policy, folder, tracking)
    trajectories = Library(clip_paths).of(snippets)
    clips = [Snippet(name, 0, trajectory.n_steps) for name, trajectory in trajectories.items()]
    used = settings.model_dump(include={"evaluation_episodes", "evaluation_noise", "workers", "threads"})
    summary = {
        "noise": settings.evaluation_noise,
        "confidence": CONFIDENCE,
        "units": {name: measures.UNITS[name] for name in measures.MEASURES if name in measures.UNITS},
        "provenance": provenance({**used, "tracking": tracking}, inputs_of(folder, clip_paths), seed),
    }
    for name, parts in {"snippets": snippets, "clips": clips}.items():
        references = References.of_snippets(parts, trajectories)
        episodes, from_start = _run(policy, references, settings, tracking, seed)
        write_npz(Path(output) / ARRAYS[name], _arrays(episodes, parts, from_start))
        protocols = {"rsi": ~from_start, "start": from_start}
        summary[name] = {
            protocol: _summary(
                episodes, chosen, derived_seed(seed, "evaluation", name, protocol, "bootstrap")
            )
            for protocol, chosen in protocols.items()
        }
    write_json(Path(output) / SUMMARY, summary)
    return summary


def rows(folder: str | Path, evaluation: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of the policy in `folder` in the table of evaluations, one a protocol."""
    return [
        (str(folder), of, protocol, *measures.cells(measured))
        for of in ARRAYS
        for protocol, measured in evaluation[of].items()
    ]


def references_of(clip_paths: Sequence[str | Path], snippets: Sequence[Snippet]) -> References:
    """The reference motion of `snippets`, from files that hold their clips.

    Raises:
        InputError: a clip is in none of the files.
    """
    return References.of_snippets(snippets, Library(clip_paths).of(snippets))


def inputs_of(folder: str | Path, clip_paths: Sequence[str | Path]) -> dict[str, Path]:
    """The files that an evaluation of the policy in `folder` reads, for its provenance."""
    policy = {name: Path(folder) / name for name in ("policy.json", "model.safetensors")}
    return policy | clip_inputs(clip_paths)


def starts(task: TrackingTask, n_episodes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where to begin about `n_episodes` from random steps, spread evenly over the snippets, and a fifth from the start.

    Those that can last longest come first: one that began last would keep all other worlds waiting.

    Returns:
        (snippets, steps, from_start), each (E,).
    """
    n_snippets = len(task.references)
    per_snippet = -(-n_episodes // n_snippets)
    at_random, random_steps = random_starts(task, per_snippet, MIN_STEPS, seed)
    at_start = np.repeat(np.arange(n_snippets), -(-per_snippet // RSI_PER_START))
    snippets = np.concatenate([at_random, at_start])
    steps = np.concatenate([random_steps, np.zeros(len(at_start), int)])
    from_start = np.arange(len(snippets)) >= len(at_random)
    order = np.argsort(steps - task.last_steps[snippets], kind="stable")
    return snippets[order], steps[order], from_start[order]


def acting(policy: Policy, noise: Collection[str]) -> Acting:
    """`policy.predict` with noise of the `action`, of the `intention` (where the policy draws one), both or none."""
    predict = partial(policy.predict, deterministic="action" not in noise)
    return partial(predict, intention_noise="intention" in noise) if isinstance(policy, NPMP) else predict


def _run(
    policy: Policy,
    references: References,
    settings: DistillationSettings,
    tracking: TrackingSettings,
    seed: int,
) -> tuple[Episodes, np.ndarray]:
    """All episodes, and which of them (E,) began at the start."""
    task = TrackingTask(
        references,
        settings.workers,
        policy.observables,
        tracking.ref_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
    )
    snippets, steps, from_start = starts(task, settings.evaluation_episodes, seed)
    policy.seed(seed)
    with torch_threads(settings.threads):
        return run_episodes(task, snippets, steps, acting(policy, settings.evaluation_noise)), from_start


def _arrays(episodes: Episodes, snippets: Sequence[Snippet], from_start: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "snippets": np.array([snippet.name for snippet in snippets]),
        "snippet": episodes.snippets,
        "start_step": episodes.starts,
        "from_start": from_start,
        "joint_errors": episodes.joint_errors.mean(axis=1),
        **measures.published_arrays(episodes),
    }


def _summary(episodes: Episodes, chosen: np.ndarray, seed: int) -> dict[str, Any]:
    """Statistics over snippets of the mean over each one's episodes, of those `chosen` (E,) bool."""
    of_snippet = episodes.snippets[chosen]
    counts = np.bincount(of_snippet)

    def means(values: np.ndarray) -> np.ndarray:
        return np.bincount(of_snippet, values[chosen]) / counts

    measured = {name: means(measure(episodes)) for name, measure in measures.MEASURES.items()}
    return {
        "episodes": len(of_snippet),
        "success_rate": float(means(~episodes.terminated).mean()),
        **{name: mean_and_interval(values, seed) | statistics(values) for name, values in measured.items()},
    }


def statistics(values: np.ndarray) -> dict[str, float]:
    """As the tables of the paper show them."""
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
    }


def check_tracks(policy: Policy, folder: str | Path, tracking: TrackingSettings) -> None:
    """Raise InputError where a policy tracks no reference, or one that shows other steps."""
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
