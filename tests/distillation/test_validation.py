"""Evaluations during training: what they compute, that the best policy is kept, and that interruptions leave no trace."""

import csv
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.library import Library
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.distillation import train, validation
from mocapact_core.distillation.batches import Batches
from mocapact_core.distillation.completion import complete
from mocapact_core.distillation.evaluate import references_of
from mocapact_core.distillation.monitor import flops_of_step
from mocapact_core.distillation.recipes import recipe
from mocapact_core.distillation.weights import Weighting
from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import HIGH_LEVEL, HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.interruption import Interrupted
from mocapact_core.policies.files import load_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.guard import DUMP
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.settings import GPTSettings, MLPSettings, NPMPSettings, TrackingSettings
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.episodes import run_episodes
from mocapact_core.tasks.tracking import TrackingTask
from tests.rollouts.synthetic import write_synthetic_dataset

TRACKING = TrackingSettings()
SHORT = {
    "batch": 8,
    "gradient_steps": 12,
    "learning_rate": 1e-2,
    "evaluate_every": 5,
    "evaluation_episodes": 2,
}
NPMP = NPMPSettings(intention_size=3, encoder_hidden=[16], decoder_hidden=[16], sequence=5, **SHORT)
TRANSFORMER = GPTSettings(kind="gpt", block=4, embedding=16, layers=1, heads=2, **SHORT)
REFERENCE = MLPSettings(kind="reference_mlp", hidden=[16], sequence=5, **SHORT)
both_kinds = pytest.mark.parametrize("settings", [NPMP, TRANSFORMER], ids=lambda settings: settings.kind)
TRAINED = [Snippet("squat", 0, 60)]
HELD_OUT = [Snippet("stand", 0, 45)]


@dataclass(frozen=True)
class Data:
    rollouts: list[Path]
    metrics: Path
    clips: list[Path]

    def dataset(self, snippets, observables, sequence) -> RolloutDataset:
        return RolloutDataset(self.rollouts, self.metrics, [s.name for s in snippets], observables, sequence)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Data:
    """Motion of two clips, and rollouts of random numbers on a snippet of each."""
    folder = tmp_path_factory.mktemp("data")
    lengths = {TRAINED[0].name: [40, 20, 30], HELD_OUT[0].name: [35, 33, 12]}
    paths, metrics, _ = write_synthetic_dataset(folder, lengths, n_start=2)
    clips = [folder / f"{name}.h5" for name in ("squat", "stand")]
    for path in clips:
        write_trajectory(path, builtin_trajectory(path.stem))
    return Data(paths, metrics, clips)


def run(data, folder, settings, snippets=TRAINED, held_out=HELD_OUT, seed=3):
    train.train_policy(
        settings, data.rollouts, data.metrics, snippets, folder, TRACKING, seed, 1, held_out, data.clips
    )
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "tensorboard"
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def table(folder):
    with open(folder / "validation.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def npmp(data, tmp_path_factory):
    """A finished training, and its files."""
    folder = tmp_path_factory.mktemp("npmp")
    return folder, run(data, folder, NPMP)


@pytest.fixture(scope="module")
def gpt(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt")
    return folder, run(data, folder, TRANSFORMER)


def test_evaluations_are_at_their_steps_and_at_the_end(npmp, gpt):
    tracking = {
        f"{kind}{start}normalized_{measure}"
        for kind in ("", "validation_", "clips_")
        for start in ("", "start_")
        for measure in ("reward", "length")
    }
    for (folder, _), scores in (
        (npmp, tracking),
        (gpt, {"completion_seconds", "validation_completion_seconds"}),
    ):
        rows = table(folder)
        assert [row["step"] for row in rows] == [5, 10, 12]
        assert set(rows[0]) == {"step", "loss", "validation_loss"} | scores
        with open(folder / "progress.csv", newline="") as file:
            losses = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
        assert [row["loss"] for row in rows] == [losses[5], losses[10], losses[12]]
        events = EventAccumulator(str(folder / "tensorboard")).Reload()
        for row, event in zip(rows, events.Scalars("evaluation/validation_loss"), strict=True):
            assert (event.step, event.value) == (row["step"], pytest.approx(row["validation_loss"], rel=1e-5))
        waiting = [event.value for event in events.Scalars("speed/waiting")]
        assert len(waiting) == 12 and 0 <= min(waiting) <= max(waiting) <= 1


@both_kinds
@pytest.mark.parametrize("moment", ["draw", "evaluation"])
def test_an_interrupted_training_ends_the_same(data, tmp_path, settings, moment, request, monkeypatch):
    """By a real signal, in the middle of a step's draw or of the second evaluation."""
    _, whole = request.getfixturevalue(settings.kind)
    owner, name, nth = {"draw": (Batches, "_draw", 8), "evaluation": (train, "evaluate", 2)}[moment]
    original, calls = getattr(owner, name), []

    def counted(*arguments):
        calls.append(1)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGUSR1 if moment == "draw" else signal.SIGTERM)
        return original(*arguments)

    monkeypatch.setattr(owner, name, counted)
    with pytest.raises(Interrupted, match=r"Stopped by SIG.*go on at step \d+ from .*checkpoint\.pt"):
        run(data, tmp_path, settings)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [train.CHECKPOINT]
    content = torch.load(tmp_path / train.CHECKPOINT, weights_only=True)
    assert content["step"] == 10 if moment == "evaluation" else content["step"] in (6, 7)
    assert run(data, tmp_path, settings) == whole


def test_any_snippet_can_be_the_first_of_those_drawn():
    """Episodes from the start are only of the first ones: in order, they would be of the same few subjects."""
    snippets = [Snippet("squat", start, start + 10) for start in range(6)]
    drawn = [validation._some(snippets, 3, np.random.default_rng(seed)) for seed in range(60)]
    assert all(len({*some}) == 3 for some in drawn)
    assert {some[0] for some in drawn} == {*snippets}
    assert {*validation._some(snippets, 9, np.random.default_rng(0))} == {*snippets}


def test_a_signal_while_the_checkpoint_is_read_leaves_it_whole(data, tmp_path, npmp, monkeypatch):
    original, load = train.evaluate, torch.load
    monkeypatch.setattr(train, "evaluate", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted):
        run(data, tmp_path, NPMP)

    def interrupted_load(*arguments, **named):
        os.kill(os.getpid(), signal.SIGTERM)
        return load(*arguments, **named)

    monkeypatch.setattr(torch, "load", interrupted_load)
    with pytest.raises(Interrupted, match="go on at step 5 from"):
        run(data, tmp_path, NPMP)
    monkeypatch.setattr(torch, "load", load)
    monkeypatch.setattr(train, "evaluate", original)
    assert run(data, tmp_path, NPMP) == npmp[1]


def test_a_signal_within_a_gradient_step_waits_for_its_end(data, tmp_path, npmp, monkeypatch):
    step, calls = torch.optim.Adam.step, []

    def stopped(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments, **named)

    monkeypatch.setattr(torch.optim.Adam, "step", stopped)
    with pytest.raises(Interrupted, match="go on at step 4"):
        run(data, tmp_path, NPMP)
    assert run(data, tmp_path, NPMP) == npmp[1]
    assert len(calls) == 12


@pytest.mark.parametrize("settings", [NPMP, TRANSFORMER], ids=lambda settings: settings.kind)
def test_the_best_policy_and_the_last_are_kept(data, tmp_path, settings, monkeypatch):
    """The parameters of each evaluation are looked at while it runs; made-up scores say which is best."""
    score = "completion_seconds" if settings is TRANSFORMER else "normalized_reward"
    scores = [(0.3, 5.0), (0.7, 4.0), (0.7, 2.0), (0.7, 2.0), (0.6, 1.0)]  # best: the third, for its loss
    seen = []

    def evaluated(policy, _):
        seen.append({name: tensor.numpy().copy() for name, tensor in policy.state_dict().items()})
        reward, loss = scores[len(seen) - 1]
        return {"validation_loss": loss, score: reward}

    monkeypatch.setattr(train, "evaluate", evaluated)
    run(data, tmp_path, settings.model_copy(update={"evaluate_every": 3, "gradient_steps": 14}))
    assert len(seen) == 5
    for folder, number, step in ((tmp_path, 2, 9), (tmp_path / "last", 4, 14)):
        stored = load_file(folder / "model.safetensors")
        assert stored.keys() == seen[number].keys()
        assert all(np.array_equal(stored[name], seen[number][name]) for name in stored)
        load_policy(folder)
        assert f'"step": {step}' in (folder / "policy.json").read_text()


def test_without_evaluations_the_last_policy_stays(data, tmp_path, npmp):
    files = run(data, tmp_path, NPMP.model_copy(update={"evaluate_every": 0}))
    assert files["validation.csv"] == b""
    assert files["model.safetensors"] == files["last/model.safetensors"] == npmp[1]["last/model.safetensors"]


def test_the_validation_loss_is_that_of_the_sequences_drawn(data, monkeypatch):
    """Against one sum over all of them together, with log probabilities by torch.distributions."""
    training = data.dataset(TRAINED, HIGH_LEVEL, 5)
    held_out = data.dataset(HELD_OUT, HIGH_LEVEL, 5)
    torch.manual_seed(0)
    chosen = recipe(REFERENCE, training, [1, 2, 3, 4, 5])
    numbers = validation.evaluate(chosen.policy, [validation.ValidationLoss(chosen, held_out, 8, 1)])
    rng, total = np.random.default_rng(1), 0.0
    for _ in range(validation.LOSS_BATCHES):
        batch = held_out.batch(rng, 8)
        mean, std = chosen.policy(torch.as_tensor(batch.observations))
        normal = torch.distributions.Normal(mean, std)
        weights = torch.as_tensor(Weighting("rwr", None, training)(batch))
        total -= (weights[..., None] * normal.log_prob(torch.as_tensor(batch.mean_actions))).sum().item()
    assert numbers["validation_loss"] == pytest.approx(total / (8 * validation.LOSS_BATCHES), rel=1e-5)
    assert chosen.policy.training, "dropout is on again"


def test_tracking_is_that_of_single_episodes(data):
    """Each kind against worlds of its own, run by snippets and starts that are chosen here."""
    training = data.dataset(TRAINED, HIGH_LEVEL, 5)
    torch.manual_seed(0)
    policy = recipe(REFERENCE, training, [1, 2, 3, 4, 5]).policy
    clips = Library(data.clips)
    tracking = validation.Tracking(policy, {"": TRAINED, "validation_": HELD_OUT}, clips, 6, TRACKING, 5, 1)
    numbers = validation.evaluate(policy, [tracking])
    whole = len(builtin_trajectory("squat")) - 1
    kinds = {"": TRAINED[0], "validation_": HELD_OUT[0], "clips_": Snippet("squat", 0, whole)}
    for row, (prefix, snippet) in enumerate(kinds.items()):
        task = TrackingTask(references_of(data.clips, [snippet]), 1, policy.observables)
        steps = tracking.steps.reshape(3, 8)[row]
        assert (steps[6:] == 0).all() and len(set(steps[:6])) > 1
        assert steps.max() <= max(0, snippet.n_steps - 5 - 30 - 1)
        for name, part in (("", slice(6)), ("start_", slice(6, 8))):
            episodes = run_episodes(task, np.zeros(len(steps[part]), int), steps[part], policy.predict)
            expected = (episodes.returns / (snippet.n_steps - 5 - steps[part])).mean()
            assert numbers[f"{prefix}{name}normalized_reward"] == pytest.approx(expected, rel=1e-3)


def test_completions_go_on_from_recorded_starts(data):
    """From the first actions of the rollouts 0 and 1, those from the start: 32 of the first, all 20 of the other."""
    training = data.dataset(TRAINED, HIGH_LEVEL_SANS_REFERENCE, 4)
    torch.manual_seed(0)
    policy = GPT(block=4, embedding=16, layers=1, heads=2).eval()
    completing = validation.Completing(policy, training, Library(data.clips), "", 5, 0, 1)
    batch = training.empty(1, 40, ["actions"])
    training.gather(np.array([0]), np.array([0]), batch)
    prompts = sorted(completing.prompts, key=len, reverse=True)
    assert [len(prompt) for prompt in prompts] == [32, 20]
    np.testing.assert_array_equal(prompts[0], batch["actions"][0, :32])
    lengths = []
    for prompt in prompts:
        task = CompletionTask(references_of(data.clips, TRAINED), 1)
        [completion] = complete(policy, task, np.zeros(1, int), np.zeros(1, int), [prompt], 500)
        lengths.append(len(completion.actions))
    seconds = validation.evaluate(policy, [completing])["completion_seconds"]
    assert seconds == pytest.approx(0.03 * np.median(lengths), abs=0.031)


def test_batches_drawn_ahead_are_those_drawn_in_turn(data):
    dataset = data.dataset(TRAINED, HIGH_LEVEL, 5)
    again = data.dataset(TRAINED, HIGH_LEVEL, 5)
    with Batches(dataset, 8, 7, range(3, 9)) as batches:
        for step, (seed, batch) in enumerate(batches, start=3):
            rng = np.random.default_rng([7, step])
            assert seed == rng.integers(2**63)
            expected = again.batch(rng, 8)
            for name in ("observations", "mean_actions", "values", "snippets"):
                np.testing.assert_array_equal(getattr(batch, name), getattr(expected, name))
    assert step == 8


def test_an_error_in_drawing_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        Batches, "_draw", lambda *_: (_ for _ in ()).throw(InputError("the file was changed"))
    )
    with pytest.raises(InputError, match="the file was changed"):
        run(data, tmp_path, REFERENCE)


def test_a_snippet_on_both_sides_is_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"squat-0-60.*Name others"):
        run(data, tmp_path, NPMP, held_out=[*HELD_OUT, *TRAINED])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_clip_is_named(data, tmp_path):
    less = Data(data.rollouts, data.metrics, data.clips[:1])
    with pytest.raises(
        InputError, match=r"no clip stand in the 1 files.*squat.*Give its file.*evaluate_every to 0"
    ):
        run(less, tmp_path, NPMP)


def test_a_training_that_diverges_stops_with_its_batch(data, tmp_path, npmp, monkeypatch):
    """Step 7 has a loss that is not finite; what came before is gone on from when it is finite again."""
    monkeypatch.setattr(train, "CHECKPOINT_SECONDS", -1.0)
    draw, broken = Batches._draw, []

    def diverging(self, step, memory):
        seed, batch = draw(self, step, memory)
        if step == 7 and not broken:
            batch.mean_actions[0, 0, 0] = np.nan
            broken.append(batch.snippets.copy())
        return seed, batch

    monkeypatch.setattr(Batches, "_draw", diverging)
    with pytest.raises(InputError, match=r"gradient step 7: .*loss.*learning_rate"):
        run(data, tmp_path, NPMP)
    with np.load(tmp_path / DUMP) as dump:
        assert np.isnan(dump["mean_actions"][0, 0, 0]) and np.array_equal(dump["snippets"], broken[0])
        assert dump["observations"].shape == (8, 5, 1291)
    (tmp_path / DUMP).unlink()
    assert run(data, tmp_path, NPMP) == npmp[1]


@pytest.mark.parametrize("settings", [NPMP, TRANSFORMER, REFERENCE], ids=lambda settings: settings.kind)
def test_bf16_is_close_to_float32(data, settings):
    """The loss to the three digits of bf16; parameters and their gradients stay float32."""
    observables = HIGH_LEVEL_SANS_REFERENCE if settings is TRANSFORMER else HIGH_LEVEL
    dataset = data.dataset(TRAINED, observables, 4)
    batch = dataset.batch(np.random.default_rng(0), 8)
    losses = []
    for precision in ("float32", "bf16"):
        torch.manual_seed(0)
        chosen = recipe(settings.model_copy(update={"precision": precision}), dataset, [1, 2, 3, 4, 5])
        chosen.policy.eval()
        loss = chosen.loss(batch)["loss"]
        loss.backward()
        assert {p.grad.dtype for p in chosen.policy.parameters()} == {torch.float32}
        losses.append(loss.item())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_operations_are_those_of_the_matrix_products(data):
    """Of layers (1291, 16) and (16, 56): 2 forward, 2 for the weights, and 2 for the input of all but the first."""
    dataset = data.dataset(TRAINED, HIGH_LEVEL, 5)
    chosen = recipe(REFERENCE, dataset, [1, 2, 3, 4, 5])
    assert flops_of_step(chosen, dataset, 8) == 8 * 5 * (4 * 1291 * 16 + 6 * 16 * 56)
    assert all(parameter.grad is None for parameter in chosen.policy.parameters())
