"""Training a policy on rollouts, from the first gradient step or from the last checkpoint."""

import contextlib
import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from mocapact_core.clips.library import clip_inputs
from mocapact_core.clips.snippets import Snippet
from mocapact_core.distillation.batches import Batches
from mocapact_core.distillation.checkpoint import CHECKPOINT, Training
from mocapact_core.distillation.monitor import Monitor, flops_of_step
from mocapact_core.distillation.recipes import observables_of, recipe, sequence_of
from mocapact_core.distillation.split import check_apart
from mocapact_core.distillation.validation import Scores, evaluate, make_scores
from mocapact_core.errors import InputError
from mocapact_core.files import write_csv, write_npz, write_text
from mocapact_core.interruption import interruptible, uninterrupted
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.guard import DUMP
from mocapact_core.policies.modules import best_device, torch_threads
from mocapact_core.policies.onednn import InOneDNN
from mocapact_core.provenance import provenance
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.rollouts.layout import open_rollouts
from mocapact_core.settings import GPTSettings, MultiClipSettings, TrackingSettings

LAST = "last"
"""Folder of the policy of the last step, beside the best."""
CHECKPOINT_SECONDS = 300.0
"""Time between checkpoints. When they are made does not influence the result."""
ROWS = 200
"""Rows that progress.csv has at least, where there are as many gradient steps."""
MOST_STEPS_A_ROW = 500
LIMIT = 1e9
"""Far from all that a sound training comes near: losses are sums over a sequence, at the beginning of some 10,000."""


def train_policy(
    settings: MultiClipSettings | GPTSettings,
    rollout_paths: Sequence[str | Path],
    metrics_path: str | Path,
    snippets: Sequence[Snippet],
    folder: str | Path,
    tracking: TrackingSettings,
    seed: int,
    threads: int = 1,
    validation: Sequence[Snippet] = (),
    clip_paths: Sequence[str | Path] = (),
) -> None:
    """Train a policy (paper sections 5.1.1 and 5.2).

    `folder` gets policy.json and model.safetensors, of all evaluations the policy with the best normalised reward
    from random steps, or of a GPT the longest completions, the one of the smaller loss of equals; the same of the
    last step in last/; progress.csv, means over the gradient steps since the row before; and validation.csv, the
    evaluations; tensorboard/ to follow the training by. A training that is interrupted goes on from checkpoint.pt
    there, and on the CPU ends with the same bytes as one that never was.

    Args:
        rollout_paths: rollout files of the clips.
        metrics_path: dataset_metrics.npz, whose means and variances normalise the observations.
        snippets: those to learn from.
        threads: of torch and of the simulation. On the CPU results depend on it in the last bits.
        validation: snippets that evaluations compute the loss on, and simulate.
        clip_paths: files of the clips of both; not read without evaluations.

    Raises:
        InputError: rollouts of other reference steps, a snippet to learn from and to validate on, a clip that
            is missing, a training that diverged, or see `RolloutDataset`.
        Interrupted: a signal asked for it; the state is in the checkpoint.
    """
    folder = Path(folder)
    check_apart(snippets, validation, "validation")
    ref_steps = _check_ref_steps(rollout_paths, tracking)

    def rollouts_of(chosen: Sequence[Snippet]) -> RolloutDataset:
        names = [snippet.name for snippet in chosen]
        seen, steps = observables_of(settings), sequence_of(settings)
        return RolloutDataset(rollout_paths, metrics_path, names, seen, steps)

    dataset = rollouts_of(snippets)
    shaping = {"policy": settings.model_dump(mode="json", exclude=settings.FOLLOWING), "tracking": tracking}
    names = {"snippets": [*map(str, snippets)], "validation": [*map(str, validation)]}
    clips = clip_inputs(clip_paths) if settings.evaluate_every else {}
    # The metrics name the content of the rollout files.
    inputs = {"dataset_metrics": metrics_path, **clips}
    record = provenance({**shaping, **names, "threads": threads}, inputs, seed)
    with torch_threads(threads), torch.random.fork_rng():
        torch.manual_seed(seed)
        chosen = recipe(settings, dataset, ref_steps)
        scores = []
        if settings.evaluate_every:
            held_out = rollouts_of(validation) if validation else None
            scores = make_scores(chosen, settings, dataset, held_out, clip_paths, tracking, seed, threads)
        training = Training(folder / CHECKPOINT, chosen, record)
        flops = flops_of_step(chosen, dataset, settings.batch)
        with _fast_products(settings), interruptible():
            try:
                with uninterrupted():  # half a state, or none yet, would be saved over the checkpoint
                    training.resume()
                monitor = Monitor(folder, training.step, settings.gradient_steps, settings.batch, flops)
                with monitor:
                    _optimise(training, dataset, scores, settings, seed, folder, monitor)
                _write(training, folder, record)
            except KeyboardInterrupt as reason:
                training.save()
                where = f"Start it again to go on at step {training.step:,} from {training.path}."
                raise type(reason)(f"{reason} {where}".strip()) from None
    training.path.unlink(missing_ok=True)


def _optimise(
    training: Training,
    dataset: RolloutDataset,
    scores: Sequence[Scores],
    settings: MultiClipSettings | GPTSettings,
    seed: int,
    folder: Path,
    monitor: Monitor,
) -> None:
    """Make all gradient steps, and evaluations, that are not in the checkpoint yet.

    All that is random in them comes from the seed and the number of the step, so that a checkpoint needs no
    random state.
    """
    policy, total = training.recipe.policy, settings.gradient_steps
    saved = time.monotonic()
    policy.train()
    with Batches(dataset, settings.batch, seed, range(training.step + 1, total + 1)) as batches:
        drawn = iter(batches)
        while True:
            if _evaluates(settings, training.step) and not training.is_evaluated:
                training.evaluated(evaluate(policy, scores))
                monitor.evaluated(training.evaluations[-1])
            if training.step == total:
                break
            began, waited = time.perf_counter(), batches.waited
            step_seed, batch = next(drawn)
            torch.manual_seed(step_seed)
            with uninterrupted():
                training.stepped(_gradient_step(training, batch, settings.max_grad_norm))
                row = training.end_row() if _ends_row(settings, training.step) else None
            monitor.stepped(training.step, time.perf_counter() - began, batches.waited - waited, row)
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _write_tables(training, folder)
                training.save()
                saved = time.monotonic()


def _evaluates(settings: MultiClipSettings | GPTSettings, step: int) -> bool:
    """Whether there is an evaluation after this step."""
    every = settings.evaluate_every
    return every > 0 and step > 0 and (step % every == 0 or step == settings.gradient_steps)


def _ends_row(settings: MultiClipSettings | GPTSettings, step: int) -> bool:
    """Whether a row of progress.csv ends with this step. One does before each evaluation, which tells its loss."""
    total = settings.gradient_steps
    every = min(max(1, total // ROWS), MOST_STEPS_A_ROW)
    return step % every == 0 or step == total or _evaluates(settings, step)


def _gradient_step(training: Training, batch: Batch, max_grad_norm: float) -> dict[str, float]:
    """Scalars by name, as before the step.

    Raises:
        InputError: one is not sound; then no parameter has been changed.
    """
    recipe = training.recipe
    terms = recipe.loss(batch)
    recipe.optimizer.zero_grad()
    terms["loss"].backward()
    terms["gradient_norm"] = torch.nn.utils.clip_grad_norm_(recipe.policy.parameters(), max_grad_norm)
    numbers = dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))
    if bad := [name for name, value in numbers.items() if not abs(value) < LIMIT]:
        dump = training.path.parent / DUMP
        write_npz(dump, {field.name: getattr(batch, field.name) for field in fields(batch)})
        raise InputError(
            f"Training diverged in gradient step {training.step + 1:,}: not finite, or beyond {LIMIT:,.0f}: "
            f"{', '.join(bad)}. The batch is in {dump}. A smaller learning_rate is what helps most."
        )
    recipe.optimizer.step()
    return numbers


def _write(training: Training, folder: Path, record: dict[str, Any]) -> None:
    """The policy of the last step, and the best one."""
    policy = training.recipe.policy
    _write_tables(training, folder)
    save_policy(policy, folder / LAST, {**record, "step": training.step})
    best = copy.deepcopy(policy)
    if training.best is not None:
        best.load_state_dict(training.best)
    save_policy(best, folder, {**record, "step": training.best_step})


def _write_tables(training: Training, folder: Path) -> None:
    """progress.csv, and validation.csv, which is empty without evaluations."""
    for name, rows in (("progress.csv", training.rows), ("validation.csv", training.evaluations)):
        if rows:
            write_csv(
                folder / name, [*rows[0]], ([_as_text(value) for value in row.values()] for row in rows)
            )
        else:
            write_text(folder / name, "")


def _as_text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"


@contextlib.contextmanager
def _fast_products(settings: MultiClipSettings | GPTSettings) -> Iterator[None]:
    """Within, float32 products are TF32 on a GPU and, of networks that are not compiled, oneDNN's on the CPU."""
    if best_device() == "cpu":
        with contextlib.nullcontext() if settings.compile else InOneDNN():
            yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _check_ref_steps(rollout_paths: Sequence[str | Path], tracking: TrackingSettings) -> list[int]:
    """The reference steps of the rollouts, which must be those of the tracking task."""
    asked = sorted(tracking.ref_steps)
    for path in rollout_paths[:1]:  # the others must equal the first, see RolloutDataset
        with open_rollouts(path) as file:
            found = file["ref_steps"][()].tolist()
        if found != asked:
            raise InputError(
                f"{path} shows the reference at the steps {found}, but tracking.ref_steps is {asked}. A "
                "policy must be used as it was trained: change the setting, or collect the rollouts again."
            )
    return asked
