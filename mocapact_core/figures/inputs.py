"""What tables and figures read: the results of the stages before, one value a snippet.

Names of snippets, tasks, low-level policies and seeds come from where a file lies in the results folder.
"""

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.errors import InputError
from mocapact_core.figures.published import LENGTH, REWARD, Summary
from mocapact_core.files import read_json
from mocapact_core.humanoid.model import CONTROL_STEP


@dataclass(frozen=True)
class SnippetScore:
    """How well one snippet is tracked: means over its episodes (paper, section 4.1)."""

    snippet: str
    reward: float
    """Average normalised episode reward."""
    length: float
    """Average normalised episode length."""
    episodes: int


@dataclass(frozen=True)
class TransferRun:
    """One training run of a task policy: results/transfer/<task>/<low_level>/<seed>/."""

    task: str
    low_level: str
    seed: str
    path: Path


def summarise(values: Sequence[float] | np.ndarray) -> Summary:
    """Mean, standard deviation (of the whole population), median, minimum and maximum."""
    array = np.asarray(values, np.float64)
    numbers = (array.mean(), array.std(), np.median(array), array.min(), array.max())
    return Summary(*(float(number) for number in numbers))


def expert_scores(table: str | Path, protocol: str) -> list[SnippetScore]:
    """The scores of experts in a protocol (`experts.evaluate.PROTOCOLS`), from results/experts/evaluation.csv."""
    try:
        with open(table, newline="", encoding="utf-8") as file:
            scores = [
                SnippetScore(
                    row["snippet"],
                    float(row["normalized_reward"]),
                    float(row["normalized_length"]),
                    int(row["episodes"]),
                )
                for row in csv.DictReader(file)
                if row["protocol"] == protocol
            ]
    except FileNotFoundError:
        raise InputError(f"There is no file {table}. Run the stage `evaluation` first.") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{table} is no table of expert evaluations ({error}). Delete it and run again."
        ) from None
    if not scores:
        raise InputError(
            f"{table} has no expert evaluated by the protocol {protocol}. Delete it and run again."
        )
    return scores


def expert_score(path: str | Path) -> SnippetScore:
    """The scores of one expert in a protocol, from results/experts/<snippet>/evaluation/<protocol>.npz."""
    arrays = read_arrays(path, "ep_norm_rews", "ep_norm_lens")
    rewards, lengths = arrays["ep_norm_rews"], arrays["ep_norm_lens"]
    return SnippetScore(
        Path(path).parent.parent.name, float(rewards.mean()), float(lengths.mean()), len(rewards)
    )


def policy_scores(path: str | Path, from_start: bool = False) -> list[SnippetScore]:
    """The scores of a multi-clip policy by snippet, from results/distillation/<policy>/<seed>/evaluation.npz.

    In evaluation_clips.npz there, snippets are whole clips. Snippets without episodes are left out.

    Args:
        from_start: the episodes from the start of the snippet; else those from random steps, as in the paper.
    """
    arrays = read_arrays(path, "snippets", "snippet", "from_start", "ep_norm_rews", "ep_norm_lens")
    kept = arrays["from_start"] == from_start
    scores = []
    for index, snippet in enumerate(arrays["snippets"]):
        episodes = kept & (arrays["snippet"] == index)
        if episodes.any():
            reward = float(arrays["ep_norm_rews"][episodes].mean())
            length = float(arrays["ep_norm_lens"][episodes].mean())
            scores.append(SnippetScore(str(snippet), reward, length, int(episodes.sum())))
    return scores


def by_quantity(scores: Sequence[SnippetScore]) -> dict[str, np.ndarray]:
    """The REWARD and the LENGTH of each snippet."""
    return {
        REWARD: np.array([score.reward for score in scores]),
        LENGTH: np.array([score.length for score in scores]),
    }


@dataclass(frozen=True)
class Completion:
    """One motion completion: what GPT did after the prompt."""

    snippet: str
    seconds: float
    """Length of the episode after the prompt."""
    relative: float
    """The same over the length of the snippet."""


def completions(path: str | Path) -> list[Completion]:
    """Motion completions from results/distillation/<policy>/<seed>/completion.npz."""
    arrays = read_arrays(path, "snippets", "snippet", "lengths")
    result = []
    for index, steps in zip(arrays["snippet"], arrays["lengths"], strict=True):
        snippet = parse_snippet(str(arrays["snippets"][index]))
        relative = float(steps) / snippet.n_steps
        result.append(Completion(snippet.name, float(steps) * CONTROL_STEP, relative))
    return result


def transfer_runs(paths: Sequence[str | Path]) -> list[TransferRun]:
    """Which run each file of results/transfer/<task>/<low_level>/<seed>/ belongs to."""
    _require(paths, "transfer run (results/transfer/<task>/<low_level>/<seed>/)")
    runs = []
    for path in map(Path, paths):
        task, low_level, seed = path.parts[-4:-1]
        runs.append(TransferRun(task, low_level, seed, path))
    return runs


def mean_return(run: TransferRun) -> float:
    """The mean episode return of a trained task policy, from its evaluation.json."""
    return float(read_json(run.path)["mean_return"])


def training_curve(path: str | Path, steps: str, value: str) -> tuple[np.ndarray, np.ndarray]:
    """Two columns of a CSV file about a training: steps, and a value where the file has one."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = [(row[steps], row[value]) for row in csv.DictReader(file) if row.get(value)]
    numbers = np.array(rows, float).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def read_arrays(path: str | Path, *needed: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file, which must have those needed."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise InputError(f"There is no file {path}. Run the stage that writes it first.") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as an npz file ({error}). Delete it and run again."
        ) from None
    missing = [name for name in needed if name not in arrays]
    if missing:
        found = ", ".join(sorted(arrays))
        raise InputError(
            f"{path} has no {', '.join(missing)}; it has {found}. It is not the evaluation this figure needs."
        )
    return arrays


def _require(paths: Sequence[str | Path], what: str) -> None:
    if not paths:
        raise InputError(f"Nothing to draw: no {what} was given. Leave this name out of figures.names.")
