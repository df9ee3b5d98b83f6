"""The critic that sees the reference, and the expert that does not."""

import numpy as np
import pytest
import torch

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.envs import as_dict
from mocapact_core.experts import warm_start
from mocapact_core.experts.critic import CRITIC, CriticTask
from mocapact_core.experts.learner import make_learner
from mocapact_core.experts.train import step_size
from mocapact_core.experts.warm_start import fit_value
from mocapact_core.humanoid.model import layout
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.policies.ppo import FollowKL, update
from mocapact_core.settings import TrackingSettings
from mocapact_core.tasks.references import References
from tests.experts.conftest import SMALL


@pytest.fixture(scope="module")
def segment():
    return builtin_trajectory("wave").segment(5, 70)


@pytest.fixture
def learner(segment):
    return make_learner(segment, SMALL, TrackingSettings(), seed=0)


def wandering(segment, observables, ref_steps) -> CriticTask:
    """Worlds that have left the reference."""
    task = CriticTask(References([segment]), 6, observables, ref_steps=ref_steps)
    rng = np.random.default_rng(0)
    task.start(slice(None), np.zeros(6, int), np.arange(6) * 5)
    for _ in range(4):
        task.step(rng.uniform(-1, 1, (6, 56)))
    return task


def test_the_critic_sees_what_the_reference_observables_say(segment):
    """Those of dm_control, of the present frame and of the next."""
    now = wandering(segment, ("reference_rel_joints", "reference_rel_root_quat"), [0])
    ahead = wandering(segment, ("reference_rel_bodies_pos_local",), [1])
    errors = wandering(segment, ("tracking_errors",), [1]).observe()
    assert errors.shape == (6, 217)
    joints, root = np.split(now.observe(), [56], axis=1)
    np.testing.assert_allclose(errors[:, :56][:, layout().reference_to_actuator], joints, atol=1e-6)
    np.testing.assert_allclose(errors[:, 112:205], ahead.observe(), atol=1e-6)
    np.testing.assert_allclose(errors[:, -3:], root[:, 1:], atol=1e-6)


def test_on_the_reference_there_is_no_error(segment):
    task = CriticTask(References([segment]), 6, ("tracking_errors",))
    task.start(slice(None), np.zeros(6, int), np.arange(6) * 5)
    without_bodies = np.delete(task.observe(), np.s_[112:205], axis=1)  # bodies are of the next frame
    np.testing.assert_allclose(without_bodies, 0, atol=1e-6)


def test_the_expert_acts_as_its_learner(learner):
    warm_observation = learner.env.reset()
    update(learner.model, [])
    update(learner.model, [])
    learner.update_expert()
    observation = learner.env.normalize_obs(learner.env.get_original_obs())
    flat = learner.task.observe()[:, : learner.evaluation_task.observation_size]
    seen = learner.expert_env.normalize_obs(as_dict(learner.evaluation_task, flat))
    assert len(observation) == len(seen) + len(CRITIC) == len(warm_observation)
    theirs = learner.model.predict(observation, deterministic=True)[0]
    ours = learner.expert.predict(seen, deterministic=True)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert learner.expert.num_timesteps == 128


def test_the_policy_does_not_see_what_the_critic_sees(learner):
    observation = learner.env.reset()
    changed = {
        name: v if name.removeprefix("walker/") in TIME_INDEX else v + 1 for name, v in observation.items()
    }
    policy = learner.model.policy
    before, after = (policy.obs_to_tensor(o)[0] for o in (observation, changed))
    assert torch.equal(policy.get_distribution(before).mode(), policy.get_distribution(after).mode())
    assert not torch.equal(policy.predict_values(before), policy.predict_values(after))


def test_step_sizes_of_policy_and_critic_are_their_own(learner):
    update(learner.model, [])
    groups = learner.model.policy.optimizer.param_groups
    assert [group["lr"] for group in groups] == [SMALL.learning_rate[0], SMALL.critic_learning_rate]
    groups[0]["lr"] = 3e-5
    assert step_size(learner.model, SMALL) == 3e-5
    trained = {id(p) for group in groups for p in group["params"]}
    assert trained == {id(p) for p in learner.model.policy.parameters()}


@pytest.mark.parametrize("target", [1e-6, 1e3])
def test_the_policys_step_size_follows_the_divergence(learner, target):
    update(learner.model, [FollowKL(target, 600, 1000)])
    reached = SMALL.learning_rate[0] * (1 / 1.2 if target == 1e-6 else 1.2)
    assert step_size(learner.model, SMALL) == pytest.approx(reached)


def test_a_plain_critic_needs_no_second_model(segment):
    plain = make_learner(segment, SMALL.model_copy(update={"critic": "plain"}), TrackingSettings(), seed=0)
    assert plain.expert is plain.model
    assert plain.task.observables == TIME_INDEX


def test_the_value_is_fitted_and_the_policy_left_alone(learner, monkeypatch):
    monkeypatch.setattr(warm_start, "ROUND_STEPS", 40)
    expert, env = learner.expert, learner.expert_env
    before = {name: values.clone() for name, values in expert.policy.state_dict().items()}

    def unexplained() -> float:
        rng = np.random.default_rng(1)
        lesson = warm_start._roll_out(expert, env, rng)
        tensors = expert.policy.obs_to_tensor(env.normalize_obs(lesson.observations))[0]
        values = expert.policy.predict_values(tensors)[:, 0].detach().numpy()
        returns = lesson.returns / np.sqrt(env.ret_rms.var + env.epsilon)
        return float(np.var(returns - values) / np.var(returns))

    for _ in range(3):
        warm_start._roll_out(expert, env, np.random.default_rng(2))  # statistics
    env.training = False
    untrained = unexplained()
    fit_value(expert, env, seed=0)
    assert unexplained() < 0.5 < untrained
    after = expert.policy.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("value_net" in name for name in changed)
