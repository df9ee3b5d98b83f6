"""What a policy that knows nothing gets, as the lower end of a scale for returns."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from os import PathLike
from typing import Any

import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.humanoid.model import N_JOINTS
from mocapact_core.humanoid.physics import Physics
from mocapact_core.tasks.episodes import run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

WORLDS = 64  # simulated side by side, at most


def random_policy_returns(
    starts: Mapping[str, Sequence[int]],
    motion: Callable[[str], str | PathLike],
    ref_steps: Sequence[int],
    termination_error: float,
    seed: int = 0,
) -> np.ndarray:
    """Returns of a policy whose actions are uniform in [-1, 1], as Minari and D4RL define the score 0.

    Args:
        starts: for each snippet, the steps of it at which an episode begins; snippets of a clip stand together.
        motion: gives the file of a clip.

    Returns:
        (episodes,) in the order of `starts`.

    Raises:
        InputError: the motion of a clip is not to be had.
    """
    rng = np.random.default_rng(seed)

    def policy(observation: np.ndarray, state: Any, fresh: np.ndarray) -> tuple[np.ndarray, Any]:
        return rng.uniform(-1, 1, (len(observation), N_JOINTS)).astype(np.float32), state

    physics = Physics(min(WORLDS, max(map(len, starts.values()))))
    returns = []
    for clip, members in groupby(map(parse_snippet, starts), key=lambda snippet: snippet.clip):
        snippets = list(members)
        task = TrackingTask(
            References.of_snippets(snippets, read_trajectory(motion(clip), clip)),
            physics.n_worlds,
            observables=["body_height"],
            ref_steps=ref_steps,
            termination_error=termination_error,
            physics=physics,
        )
        steps = [starts[snippet.name] for snippet in snippets]
        numbers = np.repeat(np.arange(len(snippets)), list(map(len, steps)))
        returns.append(run_episodes(task, numbers, np.concatenate(steps), policy).returns)
    return np.concatenate(returns)
