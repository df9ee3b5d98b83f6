"""Multi-clip evaluation against one world stepped by hand."""

import json

import numpy as np
import pytest
import torch

from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import gather_clips
from mocapact_core.distillation.evaluate import (
    ARRAYS,
    SUMMARY,
    acting,
    evaluate_policy,
    references_of,
    starts,
)
from mocapact_core.errors import InputError
from mocapact_core.files import sha256
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.files import load_policy, save_policy
from mocapact_core.policies.gpt import GPT
from mocapact_core.policies.hierarchical import Hierarchical
from mocapact_core.policies.mcp import MCP
from mocapact_core.policies.mlp import MLP
from mocapact_core.policies.npmp import NPMP
from mocapact_core.settings import DistillationSettings, TrackingSettings
from mocapact_core.tasks.measures import MEASURES
from mocapact_core.tasks.tracking import TrackingTask

SETTINGS = DistillationSettings(evaluation_episodes=13, workers=4, threads=1)
TRACKING = TrackingSettings(ref_steps=[1, 3])
SEED = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A policy of random weights whose intention hardly depends on chance, so that it can be followed."""
    torch.manual_seed(0)
    policy = NPMP(ref_steps=[1, 3], observation=206 + 2 * 31 * 7, intention=4, encoder=[16], decoder=[16])
    with torch.no_grad():
        policy.encoder[0].weight[:, -4:] = 0
        policy.encoder[-1].weight[4:] = 0
        policy.encoder[-1].bias[4:] = -60
    folder = tmp_path_factory.mktemp("policy")
    save_policy(policy, folder)
    return folder


def evaluate(folder, clips, output, settings=SETTINGS, tracking=TRACKING):
    evaluate_policy(folder, list(clips.values()), list(clips), output, settings, tracking, SEED)
    arrays = {part: dict(np.load(output / name)) for part, name in ARRAYS.items()}
    return arrays, json.loads((output / SUMMARY).read_text())


@pytest.fixture(scope="module")
def evaluation(folder, clips, tmp_path_factory):
    return evaluate(folder, clips, tmp_path_factory.mktemp("evaluation"))


def test_the_summary_tells_its_provenance(evaluation, folder, clips):
    record = evaluation[1]["provenance"]
    files = [folder / "policy.json", folder / "model.safetensors", *clips.values()]
    assert sorted(record["inputs"].values()) == sorted(map(sha256, set(files)))
    assert record["settings"]["evaluation_episodes"] == SETTINGS.evaluation_episodes
    assert "policies" not in record["settings"]


WHOLE = [Snippet("squat", 0, 90), Snippet("stand", 0, 80)]


def test_episodes_are_spread_evenly(evaluation, clips):
    arrays = evaluation[0]["snippets"]
    assert arrays["snippets"].tolist() == [snippet.name for snippet in clips]
    random, start = arrays["snippet"][~arrays["from_start"]], arrays["snippet"][arrays["from_start"]]
    assert np.bincount(random).tolist() == [7, 7]
    assert np.bincount(start).tolist() == [2, 2]
    assert (arrays["start_step"][arrays["from_start"]] == 0).all()
    # 60 and 25 steps, the last three beyond the horizon: at least 30 to go, or from the beginning
    assert arrays["start_step"][arrays["snippet"] == 0].max() <= 60 - 3 - 30
    assert arrays["start_step"][arrays["snippet"] == 1].max() == 0


def test_whole_clips_are_evaluated_likewise(evaluation):
    arrays = evaluation[0]["clips"]
    assert arrays["snippets"].tolist() == [clip.name for clip in WHOLE]
    assert arrays.keys() == evaluation[0]["snippets"].keys()
    assert np.bincount(arrays["snippet"][~arrays["from_start"]]).tolist() == [7, 7]
    assert arrays["start_step"][~arrays["from_start"]].max() > 60 - 3 - 30, "beyond the snippet"


def test_the_longest_episodes_begin_first(clips):
    task = TrackingTask(references_of(clips.values(), list(clips)), 1, TIME_INDEX, [1, 3])
    snippets, steps, from_start = starts(task, 13, SEED)
    longest = np.array([60, 25])[snippets] - 3 - steps
    assert (np.diff(longest) <= 0).all()
    assert longest[0] == 57 and longest[from_start].tolist() == [57, 57, 22, 22]


def by_hand(folder, clips, snippet, step):
    """(rewards, joint angle errors) of the steps of one episode, one world on its own."""
    policy = load_policy(folder)
    task = TrackingTask(references_of(clips.values(), list(clips)), 1, policy.observables, [1, 3])
    task.start([0], np.array([snippet]), np.array([step]))
    state, rewards, errors, done = None, [], [], False
    while not done:
        action, state = policy.predict(task.observe(), state)
        result = task.step(action)
        rewards.append(result.reward[0])
        errors.append(task.deviation().joints.mean())
        done = result.done[0]
    return rewards, errors


@pytest.mark.parametrize("part", ARRAYS)
def test_each_episode_is_that_of_a_single_world(evaluation, folder, clips, part):
    arrays = evaluation[0][part]
    parts = clips if part == "snippets" else dict(zip(WHOLE, clips.values(), strict=True))
    for episode in (0, 6, 8, 15):
        snippet, step = arrays["snippet"][episode], arrays["start_step"][episode]
        rewards, errors = by_hand(folder, parts, snippet, step)
        horizon = list(parts)[snippet].n_steps - 3 - step
        assert arrays["ep_lens"][episode] == len(rewards)
        assert arrays["ep_rews"][episode] == pytest.approx(sum(rewards), rel=1e-4)
        assert arrays["ep_norm_rews"][episode] == pytest.approx(sum(rewards) / horizon, rel=1e-4)
        assert arrays["ep_norm_lens"][episode] == pytest.approx(len(rewards) / horizon)
        assert arrays["rews_per_step"][episode] == pytest.approx(np.mean(rewards), rel=1e-4)
        assert arrays["joint_errors"][episode] == pytest.approx(np.mean(errors), rel=1e-4)


SEEN = {"ref_steps": [1, 3], "observation": 206 + 2 * 31 * 7}
OTHERS = {
    "time_indexed_mlp": lambda: MLP(TIME_INDEX, [], 206, hidden=[8]),
    "reference_mlp": lambda: MLP(**SEEN, hidden=[8]),
    "hierarchical_mlp": lambda: Hierarchical(**SEEN, intention=4, encoder=[8], decoder=[8]),
    "mcp": lambda: MCP(**SEEN, primitives=3, gating=[8], shared=[8], own=[8]),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_policies_without_memory_are_evaluated_alike(kind, clips, tmp_path):
    torch.manual_seed(0)
    save_policy(OTHERS[kind](), tmp_path)
    fewer = SETTINGS.model_copy(update={"evaluation_episodes": 2})
    arrays = evaluate(tmp_path, clips, tmp_path, fewer)[0]["snippets"]
    assert len(arrays["ep_rews"]) == 4
    for snippet, step, returns, length in zip(
        *(arrays[name] for name in ("snippet", "start_step", "ep_rews", "ep_lens")), strict=True
    ):
        rewards, _ = by_hand(tmp_path, clips, snippet, step)
        assert (length, returns) == (len(rewards), pytest.approx(sum(rewards), rel=1e-4))


@pytest.mark.parametrize("part", ARRAYS)
def test_the_summary_is_over_snippets(evaluation, part):
    arrays, summary = evaluation[0][part], evaluation[1][part]
    for protocol, chosen in (("rsi", ~arrays["from_start"]), ("start", arrays["from_start"])):
        for name, key in (("normalized_reward", "ep_norm_rews"), ("joint_angle_error", "joint_errors")):
            means = np.array([arrays[key][chosen & (arrays["snippet"] == i)].mean() for i in (0, 1)])
            # Of two values the bootstrap draws both, or twice the same: each of these in a quarter of cases.
            assert summary[protocol][name] == {
                "mean": pytest.approx(np.mean(means)),
                "low": pytest.approx(min(means)),
                "high": pytest.approx(max(means)),
                "std": pytest.approx(np.std(means)),
                "median": pytest.approx(np.median(means)),
                "min": pytest.approx(min(means)),
                "max": pytest.approx(max(means)),
            }
        assert summary[protocol]["episodes"] == chosen.sum()
        assert summary[protocol].keys() == {"episodes", "success_rate", *MEASURES}
        reached = arrays["ep_norm_lens"][chosen] == 1  # a fall in the very last step aside
        assert summary[protocol]["success_rate"] <= reached.mean()
    assert 0 < summary["rsi"]["mpjpe"]["mean"] < 1000


@pytest.mark.parametrize(
    ("noise", "npmp_varies", "intention_varies", "mlp_varies"),
    [
        ([], False, False, False),
        (["intention"], True, True, False),
        (["action"], True, False, True),
        (["intention", "action"], True, True, True),
    ],
)
def test_the_noise_that_is_asked_for_stays_on(noise, npmp_varies, intention_varies, mlp_varies):
    torch.manual_seed(0)
    npmp, mlp = NPMP(**SEEN, intention=4, encoder=[8], decoder=[8]), MLP(**SEEN, hidden=[8])
    observation = np.random.default_rng(0).normal(size=(3, SEEN["observation"])).astype(np.float32)

    def twice(policy):
        answers = [acting(policy, noise)(observation, None, np.ones(3, bool)) for _ in range(2)]
        return zip(*answers, strict=True)

    actions, intentions = twice(npmp)
    assert np.array_equal(*actions) != npmp_varies
    assert np.array_equal(*intentions) != intention_varies
    actions, _ = twice(mlp)
    assert np.array_equal(*actions) != mlp_varies


def test_the_setting_reaches_the_episodes(clips, tmp_path):
    """Without noise, episodes from the same step are the same but for rounding."""
    torch.manual_seed(0)
    save_policy(NPMP(**SEEN, intention=4, encoder=[8], decoder=[8]), tmp_path)
    for noise in ([], ["intention"], ["action"]):
        settings = SETTINGS.model_copy(update={"evaluation_noise": noise})
        arrays, summary = evaluate(tmp_path, clips, tmp_path / "-".join(noise), settings)
        of_stand = arrays["snippets"]["from_start"] & (arrays["snippets"]["snippet"] == 1)
        first, second = arrays["snippets"]["ep_rews"][of_stand]
        assert (first == pytest.approx(second, rel=1e-5)) == (noise == [])
        assert summary["noise"] == summary["provenance"]["settings"]["evaluation_noise"] == noise


def test_it_repeats_to_the_byte(evaluation, folder, clips, tmp_path):
    evaluate(folder, clips, tmp_path / "a")
    evaluate(folder, clips, tmp_path / "b")
    for name in (*ARRAYS.values(), SUMMARY):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_clips_in_one_file_are_as_those_in_files_of_their_own(evaluation, folder, clips, tmp_path):
    together = tmp_path / "all.hdf5"
    gather_clips(clips.values(), together)
    arrays, summary = evaluate(folder, dict.fromkeys(clips, together), tmp_path)
    for part, expected in evaluation[0].items():
        for name, values in expected.items():
            np.testing.assert_array_equal(arrays[part][name], values)
    assert summary["provenance"]["inputs"]["clips all.hdf5"] == sha256(together)


def test_a_policy_for_other_reference_steps_is_refused(folder, clips, tmp_path):
    with pytest.raises(InputError, match=r"\[1, 3\].*\[1, 2\]"):
        evaluate(folder, clips, tmp_path, tracking=TrackingSettings(ref_steps=[1, 2]))


def test_a_gpt_is_refused(clips, tmp_path):
    save_policy(GPT(embedding=8, layers=1, heads=1), tmp_path)
    with pytest.raises(InputError, match="tracks no reference"):
        evaluate(tmp_path, clips, tmp_path)
