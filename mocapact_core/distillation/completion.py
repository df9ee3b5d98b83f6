"""Motion completion: an expert gives the prompt, GPT goes on (paper section 5.2, Table 4, Figs. 8 and 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mocapact_core.clips.snippets import Snippet
from mocapact_core.config import DistillationSettings, TrackingSettings
from mocapact_core.distillation.evaluate import inputs_of, references_of, statistics
from mocapact_core.distillation.prompts import run_experts
from mocapact_core.errors import InputError
from mocapact_core.files import write_json, write_npz
from mocapact_core.humanoid.model import CONTROL_STEP, N_JOINTS
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.folder import expert_files
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.modules import best_device, torch_threads
from mocapact_core.provenance import provenance
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.episodes import random_starts
from mocapact_core.tasks.tracking import TrackingTask

PROMPT_STEPS = 32
"""Steps of the expert before GPT takes over. A snippet or an expert that ends before that gives fewer."""


@dataclass(frozen=True)
class Completion:
    """One motion completion."""

    actions: np.ndarray
    """(L, 56) of GPT, from the end of the prompt on."""
    fell: bool
    """Ended by contact of anything but the feet with the floor; otherwise by its length."""


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
) -> None:
    """Complete a motion from prompts of every snippet: the first from its start, others from random steps.

    Experts act without noise, and are never asked beyond the episode that they were trained for: they track
    the rest of their snippet, and the first steps of that are the prompt.

    `output_npz` holds `snippets` (S,), and of each of N completions the index of its `snippet`, its
    `start_step`, `prompt_lengths`, `lengths` (steps after the prompt), `relative_lengths` (over the steps of
    the snippet), `fell`; GPT's `actions` (sum of lengths, 56), those of completion i between `offsets`
    (N + 1,) i and i + 1; likewise `expert_actions` and `expert_offsets`, the whole episodes of the experts.
    `output_json` has statistics over the completions.

    Args:
        experts_folder: holds the folder of each snippet's expert.

    Raises:
        InputError: there is no GPT in `folder`, or an expert is missing.
    """
    gpt = load_policy(folder, best_device())
    if not isinstance(gpt, GPT):
        raise InputError(
            f"{folder} holds a {type(gpt).__name__}, which completes no motion. Give the folder of a GPT."
        )
    references = references_of(clip_paths, snippets)
    tracker = TrackingTask(
        references,
        settings.workers,
        TIME_INDEX,
        tracking.ref_steps,
        termination_error=tracking.termination_error,
        n_threads=settings.threads,
    )
    chosen, steps = _starts(tracker, settings.completions_per_snippet, seed)
    with torch_threads(settings.threads):
        folders = [Path(experts_folder) / snippet.name for snippet in snippets]
        expert_actions = run_experts(tracker, chosen, steps, folders)
        prompts = [actions[:PROMPT_STEPS] for actions in expert_actions]
        task = CompletionTask(references, settings.workers, gpt.observables, settings.threads)
        completions = complete(gpt, task, chosen, steps, prompts, settings.completion_steps)
    used = settings.model_dump(include={"completion_steps", "completions_per_snippet", "workers", "threads"})
    inputs = inputs_of(folder, clip_paths) | expert_files(experts_folder, snippets)
    record = provenance({**used, "tracking": tracking}, inputs, seed)
    _write(output_npz, output_json, snippets, chosen, steps, expert_actions, completions, record)


def complete(
    gpt: GPT,
    task: CompletionTask,
    snippets: np.ndarray,
    steps: np.ndarray,
    prompts: Sequence[np.ndarray],
    longest: int,
) -> list[Completion]:
    """Complete N motions, as many at a time as the task has worlds.

    Args:
        snippets: (N,) index of the snippet that each begins in.
        steps: (N,) step of that snippet.
        prompts: N arrays (P, 56): the actions before GPT takes over.
        longest: steps after the prompt at which a completion ends, fall or not.
    """
    completions: list[Completion] = []
    for first in range(0, len(prompts), task.n_worlds):
        part = slice(first, first + task.n_worlds)
        task.start(np.arange(len(prompts[part])), snippets[part], steps[part])
        completions += _complete_started(gpt, task, prompts[part], longest)
    return completions


def _complete_started(
    gpt: GPT, task: CompletionTask, prompts: Sequence[np.ndarray], longest: int
) -> list[Completion]:
    """Complete the motions that have just been started, one in each of the first worlds."""
    n = len(prompts)
    prompt_lengths = np.array([len(prompt) for prompt in prompts])
    actions: list[list[np.ndarray]] = [[] for _ in prompts]
    fell = np.zeros(n, bool)
    worlds, context, t = np.arange(n), None, 0
    while len(worlds):
        context = gpt.remember(task.observe(worlds), context)
        prompted = t < prompt_lengths[worlds]
        action = np.zeros((len(worlds), N_JOINTS), np.float32)
        if not prompted.all():
            action[~prompted] = gpt.act(context.part(~prompted))
        for i in np.flatnonzero(prompted):
            action[i] = prompts[worlds[i]][t]
        step = task.step(action, worlds)
        for i in np.flatnonzero(~prompted):
            actions[worlds[i]].append(action[i])
        t += 1
        # The prompt does not end by a fall: whoever gets up from the floor begins with contact.
        fell[worlds] = step.terminated & ~prompted
        going_on = prompted | (~step.terminated & (t - prompt_lengths[worlds] < longest))
        worlds, context = worlds[going_on], context.part(going_on)
    return [Completion(np.stack(taken), bool(fallen)) for taken, fallen in zip(actions, fell, strict=True)]


def _starts(task: TrackingTask, per_snippet: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(snippets, steps): the start of each snippet, then random ones at least a prompt before the end."""
    first = np.arange(len(task.references))
    others, steps = random_starts(task, per_snippet - 1, PROMPT_STEPS, seed)
    return np.concatenate([first, others]), np.concatenate([np.zeros(len(first), int), steps])


def _write(
    output_npz: str | Path,
    output_json: str | Path,
    snippets: Sequence[Snippet],
    chosen: np.ndarray,
    steps: np.ndarray,
    expert_actions: Sequence[np.ndarray],
    completions: Sequence[Completion],
    record: dict[str, Any],
) -> None:
    lengths = np.array([len(completion.actions) for completion in completions])
    relative = lengths / np.array([snippets[index].n_steps for index in chosen])
    expert_lengths = np.array([len(actions) for actions in expert_actions])
    fell = np.array([completion.fell for completion in completions])
    arrays = {
        "snippets": np.array([snippet.name for snippet in snippets]),
        "snippet": chosen,
        "start_step": steps,
        "prompt_lengths": np.minimum(expert_lengths, PROMPT_STEPS),
        "lengths": lengths,
        "relative_lengths": relative,
        "fell": fell,
        "actions": np.concatenate([completion.actions for completion in completions]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "expert_actions": np.concatenate(expert_actions),
        "expert_offsets": np.concatenate([[0], np.cumsum(expert_lengths)]),
    }
    write_npz(output_npz, arrays)
    summary = {
        "completions": len(completions),
        "seconds": statistics(lengths * CONTROL_STEP),
        "relative_length": statistics(relative),
        "falls": float(fell.mean()),
        "provenance": record,
    }
    write_json(output_json, summary)
