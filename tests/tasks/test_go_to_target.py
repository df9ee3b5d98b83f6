"""Go-to-target against dm_control's own, on the same states and actions."""

import warnings

import numpy as np
import pytest

from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.tasks.go_to_target import (
    EPISODE_STEPS,
    OBSERVED,
    STEPS_AT_TARGET,
    GoToTargetTask,
    target_reward,
)

EPISODES = 5
STANDING_STEPS = 80  # then the humanoid is thrown over


class Oracle:
    """dm_control's environment. Places are drawn close together, so that targets are reached."""

    def __init__(self, spread: float = 1.0, seed: int = 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from dm_control import composer
            from dm_control.composer.variation import distributions
            from dm_control.locomotion.arenas import floors
            from dm_control.locomotion.tasks import go_to_target
            from dm_control.locomotion.walkers import cmu_humanoid

        places = distributions.Uniform(low=[-spread, -spread], high=[spread, spread])
        self.walker = cmu_humanoid.CMUHumanoidPositionControlledV2020()
        self.task = go_to_target.GoToTarget(
            self.walker,
            floors.Floor((8, 8)),
            moving_target=True,
            control_timestep=CONTROL_STEP,
            target_spawn_position=places,
            walker_spawn_position=places,
        )
        self.environment = composer.Environment(self.task, time_limit=25, random_state=seed)

    @property
    def qpos(self) -> np.ndarray:
        return self.environment.physics.data.qpos.copy()

    @property
    def target(self) -> np.ndarray:
        return self.task.target_position(self.environment.physics)[:2]

    def holding_action(self) -> np.ndarray:
        """The action that asks for the joint angles the humanoid has."""
        joints = self.environment.physics.bind([actuator.joint for actuator in self.walker.actuators])
        low, high = joints.range.T
        return 2 * (joints.qpos - low) / (high - low) - 1


class Driven(GoToTargetTask):
    """Our task with the places that dm_control drew."""

    places: list[np.ndarray]

    def draw_places(self, worlds):
        return np.array([self.places.pop(0) for _ in worlds]).reshape(-1, 2)

    def follow(self, oracle: Oracle) -> None:
        self.places = [oracle.target, oracle.qpos[:2]]
        self.pose = np.concatenate([[0, 0], oracle.qpos[2:]])
        self.start(np.array([0]), [0])


@pytest.fixture(scope="module")
def oracle() -> Oracle:
    return Oracle()


def driven(oracle: Oracle, keeps_count: bool = False) -> Driven:
    Driven.places = [np.zeros(2)] * 2
    return Driven(1, pose=oracle.qpos, keeps_count=keeps_count)


@pytest.mark.parametrize("keeps_count", [False, True])
def test_parity_over_episodes(oracle, keeps_count):
    """With dm_control's own count, which goes on from episode to episode, and with one that is reset."""
    rng = np.random.default_rng(0)
    oracle.task._reward_step_counter = 0
    task = driven(oracle, keeps_count)
    rewards, jumps, kept = [], 0, 0
    for _ in range(EPISODES):
        if not keeps_count:
            oracle.task._reward_step_counter = 0  # dm_control forgets to
        kept += oracle.task._reward_step_counter
        time_step = oracle.environment.reset()
        task.follow(oracle)
        same_observables(task, time_step)
        hold, push = oracle.holding_action(), rng.uniform(-1, 1, 56)
        while not time_step.last():
            standing = task.step_in_episode[0] < STANDING_STEPS
            action = np.clip(hold + 0.05 * rng.normal(size=56), -1, 1) if standing else push
            before = oracle.target
            time_step = oracle.environment.step(action)
            task.places = [oracle.target]
            step = task.step(action[None])
            np.testing.assert_array_equal(task.physics.qpos[0], oracle.qpos)
            np.testing.assert_array_equal(task.target[0], oracle.target)
            assert step.reward[0] == time_step.reward
            assert step.terminated[0] == (time_step.discount == 0)
            same_observables(task, time_step)
            rewards.append(time_step.reward)
            jumps += bool(np.any(before != oracle.target))
        assert time_step.discount == 0  # pushed over, as it should be to test the end
    assert {0.0, 1.0} == set(rewards) and jumps > EPISODES
    assert (kept > 0) == keeps_count


def same_observables(task: GoToTargetTask, time_step) -> None:
    ours = task.observe()[0]
    for name in OBSERVED:
        theirs = np.ravel(time_step.observation[f"walker/{name}"])
        np.testing.assert_allclose(ours[task.columns[name]], theirs, rtol=1e-6, atol=2e-6, err_msg=name)


def test_dm_controls_ground_is_the_floor(oracle):
    """It adds the number of the target, a site, to those of geoms: that of the floor, so that nothing comes of it."""
    oracle.environment.reset()
    floor = oracle.environment.physics.bind(oracle.task.root_entity.ground_geoms).element_id
    assert oracle.task._ground_geomids == set(floor) == {0}


def test_shows_what_dm_control_shows(oracle):
    shown = oracle.environment.reset().observation
    assert set(OBSERVED) == {name.removeprefix("walker/") for name in shown if shown[name].size}


def test_dm_control_forgets_its_counter(oracle):
    """The difference we know of: there, steps at the last episode's target count for this one's."""
    oracle.environment.reset()
    oracle.task._reward_step_counter = 10
    task = driven(oracle)
    oracle.environment.reset()
    task.follow(oracle)
    first, hold = oracle.target, oracle.holding_action()
    oracle.environment.step(hold)
    task.step(hold[None])
    assert np.any(oracle.target != first)
    np.testing.assert_array_equal(task.target[0], first)


@pytest.mark.parametrize(("x", "reward"), [(2.999, 1.0), (3.001, 0.0), (2.0, 1.0)])
def test_reward(x, reward):
    assert target_reward(np.array([[x, 1.0, 7.0]]), np.array([[2.0, 1.0]])) == reward


def test_places_are_dm_controls(oracle):
    """Uniform over half the floor's half lengths: 4 m from the middle at most."""
    task = GoToTargetTask(400, pose=oracle.qpos)
    roots = task.physics.qpos[:, :2] - oracle.qpos[:2]
    for places in (roots, task.target):
        assert (np.abs(places) <= 4).all() and (np.abs(places).max(axis=0) > 3.9).all()
        assert np.abs(places.mean(axis=0)).max() < 0.4  # 3.5 standard errors
    assert abs(np.corrcoef(roots[:, 0], task.target[:, 0])[0, 1]) < 0.2


def test_an_episode_hangs_on_its_seed_alone(oracle):
    alone, crowd = GoToTargetTask(1, pose=oracle.qpos), GoToTargetTask(5, pose=oracle.qpos, seed=9)
    alone.start(np.array([0]), [42])
    crowd.start(np.array([1, 3]), [42, 7])
    for _ in range(STEPS_AT_TARGET):
        alone.target[:], crowd.target[:] = alone.physics.qpos[:, :2], crowd.physics.qpos[:, :2]
        action = np.zeros((1, 56))
        assert alone.step(action).reward == 1
        crowd.step(np.tile(action, (5, 1)))
    met = alone.target.copy()
    alone.step(action)  # now the targets jump
    crowd.step(np.tile(action, (5, 1)))
    np.testing.assert_array_equal(alone.observe()[0], crowd.observe()[1])
    assert np.any(alone.target != met) and np.any(alone.target[0] != crowd.target[3])


def test_length():
    assert round(25 / CONTROL_STEP) == EPISODE_STEPS
