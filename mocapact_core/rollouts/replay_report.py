"""What came of replaying rollouts: as numbers, as JSON, and as a few lines to read."""

import json
from dataclasses import asdict, dataclass

import numpy as np

LIMITS = (1e-6, 1e-3)
"""Of drift; the first is what 32 bits can hold."""


@dataclass(frozen=True)
class Drift:
    """Of one observable in one step: the largest |replayed - recorded| / max(1, |recorded|) of its numbers."""

    median: float
    percentile_99: float
    largest: float


@dataclass(frozen=True)
class Course:
    """A whole episode, replayed from its start."""

    snippet: str
    episode: int
    steps: int
    """Recorded steps; all are replayed."""
    drift: float
    """The largest of any number in any step, counted as in `Drift`; 0 is equal to the bit."""
    first_over: dict[str, int | None]
    """The first step at which drift passes each of `LIMITS`; None where it never does."""
    reward_difference: float
    """The largest of a step."""
    same_end: bool
    """It ended in the same step and in the same way."""


@dataclass(frozen=True)
class Replay:
    """What became of a rollout file; as text, a few lines."""

    path: str
    recorded_with: str
    """Version of MuJoCo; published files do not tell it."""
    replayed_with: str
    n_episodes: int
    n_steps: int
    one_step: dict[str, Drift]
    """By observable: the state after one step from each recorded state, against the recorded one."""
    from_start: list[Course]
    """Empty without a clip."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)

    def __str__(self) -> str:
        return "\n".join([*_told_versions(self), *_told_steps(self), *_told_courses(self)])


def _told_versions(replay: Replay) -> list[str]:
    return [
        f"{replay.path}: recorded with MuJoCo {replay.recorded_with}, replayed with {replay.replayed_with}; "
        f"{replay.n_episodes} episodes, {replay.n_steps} steps"
    ]


def _told_steps(replay: Replay) -> list[str]:
    lines = ["One step from each recorded state, relative to max(1, |x|):", _row("", *Drift.__annotations__)]
    by_size = sorted(replay.one_step.items(), key=lambda item: -item[1].percentile_99)
    return lines + [
        _row(name, *(f"{value:.1e}" for value in vars(drift).values())) for name, drift in by_size
    ]


def _told_courses(replay: Replay) -> list[str]:
    courses, n = replay.from_start, len(replay.from_start)
    if not courses:
        return ["Whole episodes were not replayed: --clip names the motion that they start from."]
    lines = [f"{n} whole episodes from their start, with the recorded actions:"]
    exact = sum(course.drift == 0 for course in courses)
    lines.append(f"  {exact} are equal to the bit; {sum(course.same_end for course in courses)} end alike")
    for limit in courses[0].first_over:
        steps = [step for course in courses if (step := course.first_over[limit]) is not None]
        if steps:
            lines.append(
                f"  {len(steps)} drift by more than {limit}, half of them before step {np.median(steps):.0f}"
            )
    worst = max(course.reward_difference for course in courses)
    return [*lines, f"  rewards differ by at most {worst:.1e} a step"]


def _row(name: str, *cells: str) -> str:
    return f"  {name:32}" + "".join(f"{cell:>16}" for cell in cells)
