"""The evaluation of a GPT: an expert gives the prompt, GPT goes on (paper section 5.2, Table 4, Figs. 8 and 9)."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.distillation.completion import Completion, complete
from mocapact_core.distillation.evaluate import inputs_of, references_of, statistics
from mocapact_core.distillation.prompts import run_from_starts
from mocapact_core.errors import InputError
from mocapact_core.files import write_json, write_npz
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.intervals import CONFIDENCE, mean_and_interval
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.folder import expert_files
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.modules import best_device, torch_threads
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.provenance import provenance
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import PROMPT_STEPS, DistillationSettings, TrackingSettings
from mocapact_core.tasks.completion import CompletionTask


def complete_motions(
    folder: str | Path,
    clip_paths: Sequence[str | Path],
    snippets: Sequence[Snippet],
    experts_folder: str | Path,
    output_npz: str | Path,
    output_json: str | Path,
    settings: DistillationSettings,
    tracking: TrackingSettings,
    seed: int,
    trained_on: Collection[str],
) -> None:
    """Complete a motion from prompts of every snippet: the first from its start, others from random steps.

    Experts act without noise, and are never asked beyond the episode that they were trained for: they track
    the rest of their snippet, and the first steps of that are the prompt.

    `output_npz` holds `snippets` (S,), and of each of N completions the index of its `snippet`, its
    `start_step`, `prompt_lengths`, `lengths` (steps after the prompt), `relative_lengths` (over the steps of
    the snippet), `fell`; GPT's `actions` (sum of lengths, 56), those of completion i between `offsets`
    (N + 1,) i and i + 1; likewise `expert_actions` and `expert_offsets`, the whole episodes of the experts.

    `output_json` has, for `all` prompts and for those of snippets of `training` and of `validation` (null where
    there are none), the number of `completions`, statistics of `seconds` and `relative_length`, and of `falls`, the
    share of completions that do not last until the end; with confidence intervals of the means (`low`, `high`).

    Args:
        experts_folder: holds the folder of each snippet's expert.
        trained_on: names of the snippets GPT was trained on; prompts from the others are the validation set.

    Raises:
        InputError: there is no GPT in `folder`, its window is smaller than its stride, or an expert is missing.
    """
    gpt = load_gpt(folder, settings.window_stride)
    references = references_of(clip_paths, snippets)
    folders = [Path(experts_folder) / snippet.name for snippet in snippets]
    with torch_threads(settings.threads):
        chosen, steps, expert_actions = run_from_starts(references, folders, settings, tracking, seed)
        task = CompletionTask(references, settings.workers, gpt.observables, settings.threads)
        prompts = [actions[:PROMPT_STEPS] for actions in expert_actions]
        completions = complete(gpt, task, chosen, steps, prompts, settings.completion_steps)
    arrays = _arrays(snippets, chosen, steps, expert_actions, completions)
    write_npz(output_npz, arrays)
    used = settings.model_dump(
        include={"completion_steps", "completions_per_snippet", "window_stride", "workers", "threads"}
    )
    inputs = inputs_of(folder, clip_paths) | expert_files(experts_folder, snippets)
    record = provenance({**used, "tracking": tracking}, inputs, seed)
    write_json(output_json, {**_summary(arrays, trained_on, seed), "provenance": record})


def load_gpt(folder: str | Path, window_stride: int) -> GPT:
    """The GPT in `folder`, ready to complete motions.

    Raises:
        InputError: there is no GPT, or its window is smaller than the stride.
    """
    gpt = load_policy(folder, best_device())
    if not isinstance(gpt, GPT):
        raise InputError(
            f"{folder} holds a {type(gpt).__name__}, which completes no motion. Give the folder of a GPT."
        )
    if window_stride > gpt.block:
        raise InputError(
            f"distillation.window_stride is {window_stride}, but the GPT in {folder} sees {gpt.block} observations. "
            "Choose a stride of at most as many."
        )
    gpt.window_stride = window_stride
    if gpt.device.type == "cpu":
        use_onednn(gpt)
    return gpt


def _arrays(
    snippets: Sequence[Snippet],
    chosen: np.ndarray,
    steps: np.ndarray,
    expert_actions: Sequence[np.ndarray],
    completions: Sequence[Completion],
) -> dict[str, np.ndarray]:
    lengths = np.array([len(completion.actions) for completion in completions])
    expert_lengths = np.array([len(actions) for actions in expert_actions])
    return {
        "snippets": np.array([snippet.name for snippet in snippets]),
        "snippet": chosen,
        "start_step": steps,
        "prompt_lengths": np.minimum(expert_lengths, PROMPT_STEPS),
        "lengths": lengths,
        "relative_lengths": lengths / np.array([snippets[index].n_steps for index in chosen]),
        "fell": np.array([completion.fell for completion in completions]),
        "actions": np.concatenate([completion.actions for completion in completions]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "expert_actions": np.concatenate(expert_actions),
        "expert_offsets": np.concatenate([[0], np.cumsum(expert_lengths)]),
    }


def _summary(arrays: dict[str, np.ndarray], trained_on: Collection[str], seed: int) -> dict[str, Any]:
    training = np.isin(arrays["snippets"], list(trained_on))[arrays["snippet"]]
    sets = {"all": np.ones(len(training), bool), "training": training, "validation": ~training}
    return {
        **{name: _summary_of(arrays, those, seed) if those.any() else None for name, those in sets.items()},
        "confidence": CONFIDENCE,
    }


def _summary_of(arrays: dict[str, np.ndarray], those: np.ndarray, seed: int) -> dict[str, Any]:
    """Of some completions, (N,) bool. The bootstrap draws snippets: each has as many completions."""
    _, of_snippet = np.unique(arrays["snippet"][those], return_inverse=True)

    def interval(values: np.ndarray) -> dict[str, float]:
        means = np.bincount(of_snippet, values) / np.bincount(of_snippet)
        return mean_and_interval(means, derived_seed(seed, "completion", "bootstrap"))

    seconds, relative = arrays["lengths"][those] * CONTROL_STEP, arrays["relative_lengths"][those]
    return {
        "completions": int(those.sum()),
        "seconds": statistics(seconds) | interval(seconds),
        "relative_length": statistics(relative) | interval(relative),
        "falls": interval(arrays["fell"][those].astype(float)),
    }
