"""Completing motions: somebody gives the prompt, GPT goes on (paper section 5.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mocapact_core.policies.gpt import GPT, Context
from mocapact_core.tasks.completion import CompletionTask


@dataclass(frozen=True)
class Completion:
    """One motion completion."""

    actions: np.ndarray
    """(L, 56) of GPT, from the end of the prompt on."""
    fell: bool
    """Ended by contact of anything but the feet with the floor; otherwise by its length."""


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
    worlds, t = np.arange(n), 0
    context: Context | None = None
    while len(worlds):
        context = gpt.remember(task.observe(worlds), context)
        prompted = t < prompt_lengths[worlds]
        action, context = gpt.act(context, ~prompted)
        for i in np.flatnonzero(prompted):
            action[i] = prompts[worlds[i]][t]
        step = task.step(action, worlds)
        for i in np.flatnonzero(~prompted):
            actions[worlds[i]].append(action[i])
        t += 1
        # The prompt does not end by a fall: whoever gets up from the floor begins with contact.
        fell[worlds] = step.terminated & ~prompted
        going_on = prompted | (~step.terminated & (t - prompt_lengths[worlds] < longest))
        if not going_on.all():
            worlds, context = worlds[going_on], context.part(going_on)
    return [Completion(np.stack(taken), bool(fallen)) for taken, fallen in zip(actions, fell, strict=True)]
