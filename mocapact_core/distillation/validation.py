"""Evaluating a policy while it is trained: its loss on other snippets, and what it does in simulation."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from mocapact_core.clips.library import Library
from mocapact_core.clips.snippets import Snippet, parse_snippet
from mocapact_core.distillation.completion import complete
from mocapact_core.distillation.recipes import Recipe
from mocapact_core.errors import InputError
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.modules import Policy
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.rollouts.layout import open_rollouts
from mocapact_core.seeds import derived_seed
from mocapact_core.settings import PROMPT_STEPS, GPTSettings, MultiClipSettings, TrackingSettings
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.episodes import MIN_STEPS, RSI_PER_START, run_episodes
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

Scores = Callable[[], dict[str, float]]
"""Part of an evaluation: numbers by name, as they are in validation.csv."""

LOSS_BATCHES = 8
"""The validation loss is the mean over so many batches, always the same."""
WORLDS = 64
"""Simulated side by side, at most."""
LONGEST = 500
"""Steps of a motion completion at most (paper section 5.2)."""


def make_scores(
    recipe: Recipe,
    settings: MultiClipSettings | GPTSettings,
    dataset: RolloutDataset,
    validation: RolloutDataset | None,
    clip_paths: Sequence[str | Path],
    tracking: TrackingSettings,
    seed: int,
    threads: int,
) -> list[Scores]:
    """All that a policy of these settings is evaluated by.

    Args:
        dataset, validation: rollouts of the snippets to train on, and to validate on.
        clip_paths: files of their clips.
        seed: everything random in an evaluation follows from it, so that all evaluations are of the same.

    Raises:
        InputError: a clip is missing.
    """
    clips = Library(clip_paths, remedy="Give its file as well, or set evaluate_every to 0.")
    policy = recipe.policy
    seeds = {part: derived_seed(seed, "validation", part) for part in ("loss", "simulation")}
    datasets = {"": dataset} | ({"validation_": validation} if validation else {})
    scores: list[Scores] = []
    if validation:
        scores.append(ValidationLoss(recipe, validation, settings.batch, seeds["loss"]))
    if isinstance(policy, GPT):
        for prefix, of in datasets.items():
            scores.append(
                Completing(
                    policy, of, clips, prefix, settings.evaluation_episodes, seeds["simulation"], threads
                )
            )
        return scores
    snippets = {prefix: [parse_snippet(name) for name in of.snippets] for prefix, of in datasets.items()}
    scores.append(
        Tracking(
            policy, snippets, clips, settings.evaluation_episodes, tracking, seeds["simulation"], threads
        )
    )
    return scores


@torch.no_grad()
def evaluate(policy: Policy, scores: Sequence[Scores]) -> dict[str, float]:
    policy.eval()
    numbers = {name: value for part in scores for name, value in part().items()}
    policy.train()
    return numbers


class ValidationLoss:
    """`validation_loss`: the loss on sequences of other snippets, without dropout."""

    def __init__(self, recipe: Recipe, dataset: RolloutDataset, size: int, seed: int):
        self.recipe, self.dataset, self.size, self.seed = recipe, dataset, size, seed

    def __call__(self) -> dict[str, float]:
        torch.manual_seed(self.seed)
        rng, batch, losses = np.random.default_rng(self.seed), None, []
        for _ in range(LOSS_BATCHES):
            batch = self.dataset.batch(rng, self.size, out=batch)
            losses.append(self.recipe.loss(batch)["loss"].item())
        return {"validation_loss": float(np.mean(losses))}


class Tracking:
    """Mean normalised reward and length of episodes from random steps, and from the start (`start_`).

    They are on snippets of training, of validation (`validation_`), and on whole clips of the former (`clips_`);
    where there are more of a kind than episodes, on some, drawn at random.
    """

    def __init__(
        self,
        policy: Policy,
        snippets: Mapping[str, Sequence[Snippet]],
        clips: Library,
        episodes: int,
        tracking: TrackingSettings,
        seed: int,
        threads: int,
    ):
        """Args: snippets: of training ("") and of validation, by prefix."""
        self.policy, self.episodes, self.seed = policy, episodes, seed
        rng = np.random.default_rng(seed)
        kinds = {
            prefix: [clips.segment(snippet) for snippet in _some(of_kind, episodes, rng)]
            for prefix, of_kind in snippets.items()
        }
        one_a_clip = {snippet.clip: snippet for snippet in snippets[""]}
        kinds["clips_"] = [clips.whole(snippet) for snippet in _some([*one_a_clip.values()], episodes, rng)]
        self.kinds = list(kinds)
        # Of each kind, those from random steps, then those from the start; segments take turns.
        order = np.concatenate([np.arange(episodes), np.arange(-(-episodes // RSI_PER_START))])
        sizes = [len(segments) for segments in kinds.values()]
        offsets = np.cumsum([0, *sizes[:-1]])
        self.segments = np.concatenate(
            [first + order % size for first, size in zip(offsets, sizes, strict=True)]
        )
        self.task = TrackingTask(
            References([segment for segments in kinds.values() for segment in segments]),
            min(WORLDS, len(self.segments)),
            policy.observables,
            tracking.ref_steps,
            termination_error=tracking.termination_error,
            n_threads=threads,
        )
        choices = np.maximum(1, self.task.last_steps[self.segments] - MIN_STEPS)
        at_random = np.tile(np.arange(len(order)) < episodes, len(kinds))
        self.steps = np.where(at_random, rng.integers(choices), 0)

    def __call__(self) -> dict[str, float]:
        self.policy.seed(self.seed)
        episodes = run_episodes(self.task, self.segments, self.steps, self.policy.predict)
        measures = {
            "normalized_reward": episodes.normalized_returns.reshape(len(self.kinds), -1),
            "normalized_length": episodes.normalized_lengths.reshape(len(self.kinds), -1),
        }
        return {
            f"{kind}{start}{name}": float(values[row, part].mean())
            for row, kind in enumerate(self.kinds)
            for start, part in (("", slice(self.episodes)), ("start_", slice(self.episodes, None)))
            for name, values in measures.items()
        }


class Completing:
    """`completion_seconds`: the median of how long GPT goes on with recorded rollouts after their first steps."""

    def __init__(
        self,
        gpt: GPT,
        dataset: RolloutDataset,
        clips: Library,
        prefix: str,
        completions: int,
        seed: int,
        threads: int,
    ):
        self.gpt, self.name = gpt, f"{prefix}completion_seconds"
        episodes = _from_the_start(dataset, completions, np.random.default_rng(seed))
        self.prompts = [recorded_actions(dataset, episode) for episode in episodes]
        numbers, self.snippets = np.unique(dataset.index.snippet[episodes], return_inverse=True)
        segments = [clips.segment(parse_snippet(dataset.index.snippets[number])) for number in numbers]
        self.task = CompletionTask(
            References(segments), min(WORLDS, len(episodes)), gpt.observables, n_threads=threads
        )

    def __call__(self) -> dict[str, float]:
        steps = np.zeros(len(self.prompts), int)
        completed = complete(self.gpt, self.task, self.snippets, steps, self.prompts, LONGEST)
        lengths = [len(completion.actions) for completion in completed]
        return {self.name: float(np.median(lengths) * CONTROL_STEP)}


def recorded_actions(dataset: RolloutDataset, episode: int) -> np.ndarray:
    """(T, 56) the first actions of an episode, as executed: the prompt, or all where there are not as many."""
    length = min(PROMPT_STEPS, int(dataset.index.steps[episode]))
    arrays = dataset.empty(1, length, ["actions"])
    dataset.gather(np.array([episode]), np.array([0]), arrays)
    return arrays["actions"][0]


def _from_the_start(dataset: RolloutDataset, n: int, rng: np.random.Generator) -> np.ndarray:
    """At most n episodes that began at the start of their snippet, each snippet once before any twice."""
    index = dataset.index
    with open_rollouts(index.paths[0]) as file:
        n_start = int(file["n_start_rollouts"][()])
    found = rng.permutation(np.flatnonzero(index.numbers < n_start))
    if not len(found):
        raise InputError(
            "No rollout begins at the start of its snippet, as the prompts of a GPT's evaluation during training do. "
            "Collect some (rollouts.start_rollouts), or set evaluate_every to 0."
        )
    return found[np.argsort(index.numbers[found], kind="stable")][:n]


def _some(snippets: Sequence[Snippet], n: int, rng: np.random.Generator) -> list[Snippet]:
    """At most n of them, drawn at random, in random order: episodes from the start are only of the first ones."""
    return [snippets[i] for i in rng.permutation(len(snippets))[:n]]
