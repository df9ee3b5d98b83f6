"""Training a policy on rollouts, from the first gradient step or from the last checkpoint."""

import hashlib
import json
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.config import GPTSettings, MultiClipSettings, TrackingSettings
from mocapact_core.distillation.progress import report
from mocapact_core.distillation.recipes import Recipe, observables_of, recipe, sequence_of
from mocapact_core.errors import InputError
from mocapact_core.files import atomic, sha256, write_text
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.modules import torch_threads
from mocapact_core.provenance import provenance
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.rollouts.layout import open_rollouts

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SECONDS = 300.0
"""Time between checkpoints. When they are made does not influence the result."""
ROWS = 200
"""Rows that progress.csv has at least, where there are as many gradient steps."""
MOST_STEPS_A_ROW = 500


def train_policy(
    settings: MultiClipSettings | GPTSettings,
    rollout_paths: Sequence[str | Path],
    metrics_path: str | Path,
    snippets: Sequence[Snippet],
    folder: str | Path,
    tracking: TrackingSettings,
    seed: int,
    threads: int = 1,
) -> None:
    """Train a policy (paper sections 5.1.1 and 5.2).

    `folder` gets policy.json, model.safetensors and progress.csv: means over the gradient steps since the row
    before. A training that is interrupted goes on from checkpoint.pt there, and on the CPU ends with the same
    bytes as one that never was.

    Args:
        rollout_paths: rollout files of the clips.
        metrics_path: dataset_metrics.npz, whose means and variances normalise the observations.
        snippets: those to learn from.
        threads: of torch. On the CPU results depend on it in the last bits.

    Raises:
        InputError: rollouts of other reference steps, or see `RolloutDataset`.
    """
    folder = Path(folder)
    ref_steps = _check_ref_steps(rollout_paths, tracking)
    names = [snippet.name for snippet in snippets]
    dataset = RolloutDataset(
        rollout_paths, metrics_path, names, observables_of(settings), sequence_of(settings)
    )
    # The metrics name the content of the rollout files.
    record = provenance(
        {"policy": settings, "tracking": tracking, "snippets": names, "threads": threads},
        {"dataset_metrics": metrics_path},
        seed,
    )
    with torch_threads(threads), torch.random.fork_rng():
        torch.manual_seed(seed)
        chosen = recipe(settings, dataset, ref_steps)
        identity = json.dumps({**record, "code": _code()})
        rows = _optimise(chosen, dataset, settings, seed, folder, identity)
    _write_progress(folder, rows)
    save_policy(chosen.policy, folder, record)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _optimise(
    recipe: Recipe,
    dataset: RolloutDataset,
    settings: MultiClipSettings | GPTSettings,
    seed: int,
    folder: Path,
    identity: str,
) -> list[dict[str, float]]:
    """Make all gradient steps that are not in the checkpoint yet; return the rows of progress.csv.

    All that is random in a gradient step comes from the seed and its number, so that a checkpoint needs no
    random state. One is made only where a row ends, so that it needs no half-summed row either.
    """
    total = settings.gradient_steps
    row_steps = min(max(1, total // ROWS), MOST_STEPS_A_ROW)
    rows = _restore(folder / CHECKPOINT, recipe, identity)
    done = int(rows[-1]["step"]) if rows else 0
    saved = time.monotonic()
    sums: dict[str, float] = {}
    batch = None
    recipe.policy.train()
    for step in report(range(done + 1, total + 1), total, rows):
        rng = np.random.default_rng([seed, step])
        torch.manual_seed(int(rng.integers(2**63)))
        batch = dataset.batch(rng, settings.batch, out=batch)
        for name, value in _gradient_step(recipe, batch, settings.max_grad_norm).items():
            sums[name] = sums.get(name, 0.0) + value
        if step % row_steps == 0 or step == total:
            steps = step - (int(rows[-1]["step"]) if rows else 0)
            rows.append({"step": step, **{name: value / steps for name, value in sums.items()}})
            sums = {}
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _write_progress(folder, rows)
                _save(folder / CHECKPOINT, recipe, rows, identity)
                saved = time.monotonic()
    return rows


def _gradient_step(recipe: Recipe, batch: Batch, max_grad_norm: float) -> dict[str, float]:
    terms = recipe.loss(batch)
    recipe.optimizer.zero_grad()
    terms["loss"].backward()
    norm = torch.nn.utils.clip_grad_norm_(recipe.policy.parameters(), max_grad_norm)
    recipe.optimizer.step()
    return {name: term.item() for name, term in terms.items()} | {"gradient_norm": norm.item()}


def _save(path: Path, recipe: Recipe, rows: list[dict[str, float]], identity: str) -> None:
    content = {
        "identity": identity,
        "rows": rows,
        "policy": recipe.policy.state_dict(),
        "optimizer": recipe.optimizer.state_dict(),
    }
    with atomic(path) as temporary:
        torch.save(content, temporary)


def _code() -> str:
    """A hash of the code that shapes a training: a checkpoint of other code must not be gone on from."""
    package = Path(__file__).parents[1]
    files = sorted(
        path for part in ("distillation", "policies", "rollouts") for path in (package / part).glob("*.py")
    )
    return hashlib.sha256("".join(map(sha256, files)).encode()).hexdigest()


def _restore(path: Path, recipe: Recipe, identity: str) -> list[dict[str, float]]:
    """Load a checkpoint of this very training, if there is one, and return its rows."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        return []
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        print(f"{path} cannot be read ({error}): beginning anew.")
        return []
    if content["identity"] != identity:
        print(f"{path} belongs to a training with other settings, data or code: beginning anew.")
        return []
    recipe.policy.load_state_dict(content["policy"])
    recipe.optimizer.load_state_dict(content["optimizer"])
    return content["rows"]


def _write_progress(folder: Path, rows: list[dict[str, float]]) -> None:
    lines = [",".join(rows[0])] + [",".join(f"{value:.6g}" for value in row.values()) for row in rows]
    write_text(folder / "progress.csv", "\n".join(lines) + "\n")


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
