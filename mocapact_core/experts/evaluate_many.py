"""Evaluating many experts in one process, which imports, compiles the model and makes the worlds only once."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mocapact_core.errors import InputError
from mocapact_core.experts.evaluate import WORKERS, evaluate_expert
from mocapact_core.experts.zoo import expert_folders
from mocapact_core.humanoid.physics import Physics
from mocapact_core.policies.folder import is_expert, read_clip_info
from mocapact_core.settings import EvaluationSettings, TrackingSettings


def experts_at(paths: Iterable[Path]) -> list[Path]:
    """The folders of experts: those given, and in place of a zoo, or the `experts` of a run, all that it has."""
    return list(dict.fromkeys(folder for path in paths for folder in _inside(path) or [path]))


def _inside(path: Path) -> list[Path]:
    """The experts in a zoo; none where `path` is an expert itself or cannot be read."""
    with suppress(InputError, OSError):
        if not is_expert(path):
            return list(expert_folders(path, "EXPERT"))
    return []


def evaluate_experts(
    folders: Iterable[Path],
    trajectory_path: Callable[[str], Path],
    settings: EvaluationSettings,
    tracking: TrackingSettings,
    seed: int,
    resume: bool = False,
) -> Iterator[dict[str, Any] | Exception]:
    """Evaluate each expert as `evaluate_expert` does, to the same bytes; the arguments are those of that.

    Args:
        trajectory_path: gives the file of a clip.

    Yields:
        For each folder its evaluation, or the error of one that cannot be evaluated, which does not stop the
        others.
    """
    physics = Physics(WORKERS)
    for folder in folders:
        try:
            snippet = read_clip_info(folder)
            clip = trajectory_path(snippet.clip)
            yield evaluate_expert(clip, snippet, folder, settings, tracking, seed, physics, resume)
        except (InputError, OSError) as error:
            yield error
