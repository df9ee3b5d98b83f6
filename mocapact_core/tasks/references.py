"""Reference motion of many snippets, laid end to end so that every world can look up its own frame."""

from collections.abc import Mapping, Sequence

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import Trajectory
from mocapact_core.errors import InputError

FEATURES = (
    "position",
    "quaternion",
    "joints",
    "joints_velocity",
    "center_of_mass",
    "appendages",
    "body_positions",
    "body_quaternions",
)


class References:
    """The frames of some snippets.

    Args:
        segments: one trajectory a snippet: frames start to end, both included (`Trajectory.segment`).
    """

    def __init__(self, segments: Sequence[Trajectory]):
        if not segments:
            raise InputError("There is no snippet to track: the list of snippets is empty.")
        self.lengths = np.array([len(segment) for segment in segments])
        """(snippets,) frames of each snippet."""
        self.offsets = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        """(snippets,) row of each snippet's first frame."""
        self.qpos = np.concatenate([segment.qpos() for segment in segments])
        self.qvel = np.concatenate([segment.qvel() for segment in segments])
        self._features = {
            name: np.concatenate([getattr(segment, name) for segment in segments]) for name in FEATURES
        }

    @classmethod
    def of_snippets(
        cls, snippets: Sequence[Snippet], trajectories: Mapping[str, Trajectory] | Trajectory
    ) -> "References":
        """Cut `snippets` out of their clips' trajectories, given by clip name (or as one trajectory for all)."""
        if isinstance(trajectories, Trajectory):
            trajectories = {snippet.clip: trajectories for snippet in snippets}
        return cls([trajectories[snippet.clip].segment(snippet.start, snippet.end) for snippet in snippets])

    def __len__(self) -> int:
        return len(self.lengths)

    def at(self, rows: np.ndarray) -> "Frames":
        """The frames at some rows; an array of rows of any shape gives features of that leading shape."""
        return Frames(self._features, rows)


class Frames:
    """Some frames of the reference: `frames.joints` has the shape (*rows, 56), and so on for `FEATURES`."""

    position: np.ndarray
    quaternion: np.ndarray
    joints: np.ndarray
    joints_velocity: np.ndarray
    center_of_mass: np.ndarray
    appendages: np.ndarray
    body_positions: np.ndarray
    body_quaternions: np.ndarray

    def __init__(self, features: Mapping[str, np.ndarray], rows: np.ndarray):
        self._features, self._rows = features, rows

    def __getattr__(self, name: str) -> np.ndarray:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._features[name][self._rows]
