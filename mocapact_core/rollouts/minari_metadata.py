"""What a dataset of Minari tells of rollouts: their environment, what they are, and the scale of their scores."""

from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import h5py
import numpy as np
from gymnasium.envs.registration import EnvSpec, WrapperSpec

from mocapact_core.clips.acknowledgement import PAPER, terms_of
from mocapact_core.rollouts import outline
from mocapact_core.rollouts.scores import random_policy_returns
from mocapact_core.rollouts.summary import Summary
from mocapact_core.settings import RolloutSettings, TrackingSettings

SCORED_EPISODES = 1000  # of the random policy, at most


def tracking_environment(summary: Summary, observables: list[str]) -> EnvSpec:
    """`MocapTracking-v0` on the snippets of the dataset. Not told are the paths of motion on this machine."""
    errors = summary.recorded("settings", "tracking", "termination_error")
    min_steps = summary.recorded("settings", "rollouts", "min_steps")
    return EnvSpec(
        "MocapTracking-v0",
        entry_point="mocapact_core.envs:MocapTrackingEnv",
        kwargs={
            "snippets": list(summary.snippets),
            "observables": observables,
            "ref_steps": list(summary.ref_steps),
            "termination_error": errors[0] if errors else TrackingSettings().termination_error,
            "min_steps": min_steps[0] if min_steps else RolloutSettings().min_steps,
        },
        additional_wrappers=(
            WrapperSpec("FlattenObservation", "gymnasium.wrappers:FlattenObservation", kwargs={}),
        ),
    )


def description(summary: Summary, columns: Mapping[str, np.ndarray], author: str | None) -> dict[str, Any]:
    terms = terms_of(clip.name for clip in summary.clips)
    ends = np.cumsum([len(of) for of in columns.values()]).tolist()
    text = (
        f"Episodes of {len(summary.snippets)} experts, each tracking a snippet of motion capture with a simulated "
        f"humanoid, with noise in their actions: MoCapAct ({PAPER}). {terms.text}"
    )
    metadata: dict[str, Any] = {
        "algorithm_name": "PPO",
        "description": text,
        **terms.licence,
        "requirements": [
            f"{package}=={version}"
            for package in ("dm_control", "mujoco")
            for version in summary.recorded("versions", package)
        ],
        "observable_columns": {
            name: [end - len(of), end] for (name, of), end in zip(columns.items(), ends, strict=True)
        },
    }
    return metadata if author is None else metadata | {"author": {author}}


def reference_scores(
    outlines: h5py.File, environment: EnvSpec, motion: Callable[[str], str | PathLike] | None
) -> dict[str, Any]:
    """What 1 and 0 are on the scale of normalised scores; see `export_minari`.

    The random policy begins where at most `SCORED_EPISODES` of the episodes did, evenly spread over all of them.
    """
    returns = outline.returns(outlines)
    scores: dict[str, Any] = {"ref_max_score": float(returns.mean(dtype=np.float64))}
    if motion is None:
        return scores
    chosen = set(np.linspace(0, len(returns) - 1, min(len(returns), SCORED_EPISODES)).round().astype(int))
    starts: dict[str, list[int]] = {}
    for index, place in enumerate(outline.places(outlines)):
        if index in chosen:
            starts.setdefault(place.snippet, []).append(place.start)
    tracking = environment.kwargs
    random = random_policy_returns(starts, motion, tracking["ref_steps"], tracking["termination_error"])
    return scores | {"ref_min_score": float(random.mean()), "num_episodes_average_score": len(random)}
