"""Motion completion against one world stepped by hand."""

import json

import mujoco
import numpy as np
import pytest
import torch

from mocapact_core.clips.trajectory import read_trajectory
from mocapact_core.distillation.complete_motions import complete_motions
from mocapact_core.distillation.completion import complete
from mocapact_core.distillation.evaluate import references_of
from mocapact_core.errors import InputError
from mocapact_core.experts.train import train_expert
from mocapact_core.humanoid.model import SUBSTEPS, layout, load_model
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies import onednn
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.npmp import NPMP
from mocapact_core.settings import DistillationSettings, ExpertSettings, TrackingSettings
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask

SETTINGS = DistillationSettings(completion_steps=40, completions_per_snippet=2, workers=3, threads=1)
TRACKING = TrackingSettings(termination_error=0.6)  # a poor expert still gives prompts of many lengths


@pytest.fixture(scope="module")
def gpt():
    torch.manual_seed(0)
    policy = GPT(block=6, embedding=8, layers=1, heads=2)
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return policy.eval()


@pytest.fixture(scope="module")
def experts(clips, tmp_path_factory):
    """Experts that know nothing: a network at random weights."""
    folder = tmp_path_factory.mktemp("experts")
    settings = ExpertSettings(
        total_steps=0, warm_start="none", hidden=[8], workers=4, steps_per_update=512, evaluation_episodes=1
    )
    for snippet, path in clips.items():
        train_expert(path, snippet, folder / snippet.name, settings, TRACKING, seed=0)
    return folder


def by_hand(gpt, references, snippet, start, prompt, longest):
    """The actions of a completion, in a world of its own, with what GPT sees as a list."""
    task = CompletionTask(references, 1)
    task.start([0], np.array([snippet]), np.array([start]))
    window, actions, terminated = [], [], False
    for t in range(len(prompt) + longest):
        window = [*window[gpt.window_stride if len(window) == gpt.block else 0 :], task.observe()[0]]
        if t < len(prompt):
            task.step(prompt[None, t])
            continue
        with torch.no_grad():
            action = gpt(torch.as_tensor(np.stack(window))[None])[0, -1].clamp(-1, 1).numpy()
        actions.append(action)
        terminated = bool(task.step(action[None]).terminated[0])
        if terminated:
            break
    return np.stack(actions), terminated


@pytest.mark.parametrize("stride", [1, 4])
def test_many_completions_are_those_of_single_worlds(gpt, clips, stride, monkeypatch):
    monkeypatch.setattr(gpt, "window_stride", stride)
    references = references_of(clips.values(), list(clips))
    rng = np.random.default_rng(0)
    snippets, steps = np.array([0, 1, 1, 0, 1]), np.array([3, 0, 10, 40, 2])
    prompts = [rng.uniform(-0.3, 0.3, (length, 56)).astype(np.float32) for length in (9, 2, 5, 1, 60)]
    longest = 7  # too soon for a fall from standing, but the long prompt has fallen already
    completions = complete(gpt, CompletionTask(references, 2), snippets, steps, prompts, longest)
    for i, completion in enumerate(completions):
        actions, fell = by_hand(gpt, references, snippets[i], steps[i], prompts[i], longest)
        assert (len(completion.actions), completion.fell) == (len(actions), fell)
        np.testing.assert_allclose(completion.actions, actions, atol=1e-3)
    assert {completion.fell for completion in completions} == {True, False}, "both ends are met"
    assert max(len(completion.actions) for completion in completions) == longest


@pytest.fixture(scope="module")
def files(gpt, clips, experts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt")
    save_policy(gpt, folder)
    return run(folder, clips, experts, folder / "a")


def run(folder, clips, experts, output, settings=SETTINGS):
    npz, summary = output / "completion.npz", output / "completion.json"
    arguments = (
        list(clips.values()),
        list(clips),
        experts,
        npz,
        summary,
        settings,
        TRACKING,
        2,
        ["squat-0-60"],
    )
    complete_motions(folder, *arguments)
    with np.load(npz) as arrays:
        return folder, dict(arrays), json.loads(summary.read_text())


def test_every_snippet_is_completed_as_often_as_asked(files, clips):
    _, arrays, summary = files
    assert arrays["snippets"].tolist() == [snippet.name for snippet in clips]
    assert arrays["snippet"].tolist() == [0, 1, 0, 1]
    assert arrays["start_step"][:2].tolist() == [0, 0]
    assert summary["all"]["completions"] == 4
    assert arrays["offsets"].tolist() == [0, *np.cumsum(arrays["lengths"])]
    assert len(arrays["actions"]) == arrays["lengths"].sum()
    assert arrays["lengths"].min() >= 1 and arrays["lengths"].max() <= SETTINGS.completion_steps
    assert (arrays["fell"] == (arrays["lengths"] < SETTINGS.completion_steps)).all()


def test_expert_actions_are_those_of_the_expert_on_its_snippet(files, clips, experts):
    _, arrays, _ = files
    for i, snippet in enumerate(clips):
        segment = read_trajectory(clips[snippet]).segment(snippet.start, snippet.end)
        task = TrackingTask(References([segment]), 1, TIME_INDEX, termination_error=0.6)
        task.start([0], np.array([0]), np.array([0]))
        expert, actions, done = Expert.load(experts / snippet.name), [], False
        while not done:
            action = np.clip(expert.predict(task.observe())[0], -1, 1)
            actions.append(action[0])
            done = task.step(action).done[0]
        recorded = arrays["expert_actions"][slice(*arrays["expert_offsets"][i : i + 2])]
        np.testing.assert_allclose(recorded, np.stack(actions), atol=1e-3)
        assert arrays["prompt_lengths"][i] == min(32, len(actions))


def test_completions_follow_the_prompts(files, gpt, clips):
    _, arrays, _ = files
    references = references_of(clips.values(), list(clips))
    for i in range(4):
        expert = arrays["expert_actions"][slice(*arrays["expert_offsets"][i : i + 2])]
        where = arrays["snippet"][i], arrays["start_step"][i]
        actions, fell = by_hand(gpt, references, *where, expert[:32], SETTINGS.completion_steps)
        assert (arrays["lengths"][i], arrays["fell"][i]) == (len(actions), fell)
        recorded = arrays["actions"][slice(*arrays["offsets"][i : i + 2])]
        np.testing.assert_allclose(recorded[:5], actions[:5], atol=1e-3)


def test_the_summary_is_in_seconds_and_relative_to_the_snippet(files):
    _, arrays, summary = files
    assert summary["all"]["seconds"]["mean"] == pytest.approx(arrays["lengths"].mean() * 0.03)
    relative = arrays["lengths"] / np.array([60, 25])[arrays["snippet"]]
    np.testing.assert_allclose(arrays["relative_lengths"], relative)
    assert summary["all"]["relative_length"]["max"] == pytest.approx(relative.max())


def test_statistics_are_those_of_each_set_of_prompts(files):
    _, arrays, summary = files
    for name, index in (("training", 0), ("validation", 1)):
        those = arrays["snippet"] == index
        seconds = 0.03 * arrays["lengths"][those]
        told = summary[name]["seconds"]
        assert summary[name]["completions"] == 2
        assert (told["mean"], told["median"]) == pytest.approx((seconds.mean(), np.median(seconds)))
        assert (told["low"], told["high"]) == (told["mean"],) * 2, "of one snippet there is no spread to tell"
        assert summary[name]["falls"]["mean"] == arrays["fell"][those].mean()
    everywhere = summary["all"]["seconds"]
    of_snippets = [summary[name]["seconds"]["mean"] for name in ("training", "validation")]
    assert (everywhere["low"], everywhere["high"]) == pytest.approx((min(of_snippets), max(of_snippets)))


def test_mujoco_alone_gives_the_same_falls(files, clips):
    """The recorded actions, stepped by nothing but mj_step, end where MuJoCo lists a contact of another part."""
    _, arrays, _ = files
    references = references_of(clips.values(), list(clips))
    model = load_model()
    floor, others = model.geom("groundplane").id, set(layout().others)
    falls = 0
    for i in range(4):
        data = mujoco.MjData(model)
        row = references.offsets[arrays["snippet"][i]] + arrays["start_step"][i]
        data.qpos[:], data.qvel[:] = references.qpos[row], references.qvel[row]
        n_prompt = arrays["prompt_lengths"][i]
        expert = arrays["expert_actions"][slice(*arrays["expert_offsets"][i : i + 2])]
        gpt = arrays["actions"][slice(*arrays["offsets"][i : i + 2])]
        touches = []
        for action in (*expert[:n_prompt], *gpt):
            data.ctrl[:] = action
            mujoco.mj_step(model, data, SUBSTEPS)
            mujoco.mj_forward(model, data)
            on_floor = {int(geom) for pair in data.contact.geom if floor in pair for geom in pair}
            touches.append(bool(on_floor & others))
        after = touches[n_prompt:]
        assert not any(after[:-1]) and after[-1] == arrays["fell"][i]
        falls += after[-1]
    assert falls


@pytest.mark.skipif(not onednn.AVAILABLE, reason="other matrix products depend on the number of rows")
def test_the_number_of_workers_does_not_matter(files, clips, experts):
    folder, arrays, _ = files
    for workers in (1, 4):
        settings = SETTINGS.model_copy(update={"workers": workers})
        _, others, _ = run(folder, clips, experts, folder / "workers", settings)
        for name, values in arrays.items():
            np.testing.assert_array_equal(others[name], values)


def test_it_repeats_to_the_byte(files, clips, experts):
    folder, _, _ = files
    run(folder, clips, experts, folder / "b")
    for name in ("completion.npz", "completion.json"):
        assert (folder / "a" / name).read_bytes() == (folder / "b" / name).read_bytes()


def test_another_policy_is_refused(clips, experts, tmp_path):
    save_policy(NPMP(encoder=[4], decoder=[4]), tmp_path)
    with pytest.raises(InputError, match="completes no motion"):
        run(tmp_path, clips, experts, tmp_path)


def test_a_missing_expert_is_named(files, clips, tmp_path):
    folder, _, _ = files
    with pytest.raises(InputError, match="no expert"):
        run(folder, clips, tmp_path, tmp_path)


def test_a_stride_beyond_the_window_is_refused(files, clips, experts, tmp_path):
    folder, _, _ = files
    with pytest.raises(InputError, match=r"window_stride is 7, but the GPT .* sees 6"):
        run(folder, clips, experts, tmp_path, SETTINGS.model_copy(update={"window_stride": 7}))
