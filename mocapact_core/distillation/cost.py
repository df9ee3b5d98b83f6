"""What the training of a policy costs, and motion completion, as far as it can be told before there is a network or data."""

from collections.abc import Sequence
from itertools import pairwise

from mocapact_core.clips.snippets import Snippet
from mocapact_core.settings import PROMPT_STEPS, DistillationSettings, GPTSettings, MultiClipSettings

FLOPS_OF_THREAD = 30e9
"""Floating-point operations a second of a thread in training. Measured were a third to nine tenths of what a large product
of matrices reaches (docs/distillation.md), of 120e9 on that processor; this is for slower ones."""
FLOPS_OF_GPU = 3e12
"""The same of a GPU. Not measured: what the slowest of data centres should reach in TF32."""
SECONDS_OF_STEP = 2e-3
"""CPU seconds of a simulated control step: three and a half times what was measured (`estimate.rates`), for slower ones."""
OBSERVATION = 2868
"""Numbers of an observation with its reference. The networks that see less are counted as if they saw all."""


def training_seconds(policy: MultiClipSettings | GPTSettings, threads: int | None) -> float:
    """A generous guess of the time that the training takes on so many threads, or on a GPU (None)."""
    speed = FLOPS_OF_GPU if threads is None else FLOPS_OF_THREAD * threads
    return policy.gradient_steps * flops_of_step(policy) / speed


def completion_seconds(
    settings: DistillationSettings, policy: GPTSettings, snippets: Sequence[Snippet]
) -> float:
    """A generous guess of the time that completing the motion of the snippets takes on the CPU."""
    simulation = completion_steps(settings, snippets) * SECONDS_OF_STEP
    network = completion_flops(settings, policy, snippets) / FLOPS_OF_THREAD
    return (simulation + network) / settings.threads


def completion_steps(settings: DistillationSettings, snippets: Sequence[Snippet]) -> int:
    """Control steps of motion completion at most: an expert's episode, its prompt again, and what GPT makes of it."""
    each = sum(snippet.n_steps + PROMPT_STEPS + settings.completion_steps for snippet in snippets)
    return settings.completions_per_snippet * each


def completion_flops(
    settings: DistillationSettings, policy: GPTSettings, snippets: Sequence[Snippet]
) -> float:
    """Floating-point operations of motion completion: a window of `policy.block` steps every `window_stride` steps."""
    completions = len(snippets) * settings.completions_per_snippet
    windows = completions * settings.completion_steps / settings.window_stride
    return windows * flops_of_step(policy) / (3 * policy.batch)


def flops_of_step(policy: MultiClipSettings | GPTSettings, observation: int = OBSERVATION) -> int:
    """Floating-point operations of a gradient step: six for each weight and step of motion."""
    if isinstance(policy, GPTSettings):
        return 6 * 12 * policy.layers * policy.embedding**2 * policy.batch * policy.block
    hidden = [value for name, value in policy if name.endswith("hidden")]
    return 6 * sum(n_weights(observation, *sizes) for sizes in hidden) * policy.batch * policy.sequence


def n_weights(*sizes: int) -> int:
    """Weights of a network with layers of so many units, from what it sees to what it gives."""
    return sum(a * b for a, b in pairwise(sizes))
