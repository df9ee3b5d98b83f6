"""When checkpoints are written and of what. That trainings go on from them: tests/experts/test_interruption.py."""

import os
import signal

import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.envs import TaskVecEnv
from mocapact_core.experts.learner import make_model
from mocapact_core.interruption import Interrupted
from mocapact_core.policies.checkpoint import Checkpoints
from mocapact_core.policies.ppo import update
from mocapact_core.settings import ExpertSettings
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import TrackingTask


@pytest.fixture
def model():
    task = TrackingTask(References([builtin_trajectory("wave")]), 4)
    settings = ExpertSettings(hidden=[8], workers=4, steps_per_update=16, epochs=1, minibatch=16)
    return make_model(VecNormalize(TaskVecEnv(task)), settings, seed=0)


def steps_in(path) -> int:
    return torch.load(path, weights_only=True)["state"]["counters"]["num_timesteps"]


def test_a_file_is_written_at_the_beginning_and_where_the_interval_has_passed(model, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint.pth", model, {}, every=40)
    written = []
    for _ in range(7):
        checkpoints.mark([])
        written.append(steps_in(checkpoints.path))
        update(model, [])
    assert written == [0, 0, 0, 48, 48, 48, 96]


def test_a_resumed_training_keeps_the_interval(model, tmp_path):
    first = Checkpoints(tmp_path / "checkpoint.pth", model, {}, every=40)
    update(model, [])
    first.mark(["so far"])
    second = Checkpoints(first.path, model, {}, every=40)
    assert second.resume() == ["so far"]
    update(model, [])
    second.mark([])
    assert steps_in(first.path) == 16


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_what_is_kept_is_the_state_at_the_last_mark(model, tmp_path, number):
    checkpoints = Checkpoints(tmp_path / "checkpoint.pth", model, {"seed": 1}, every=1000)
    update(model, [])
    with (
        pytest.raises(Interrupted, match=rf"Stopped by {number.name}.*16 steps"),
        checkpoints.interruptible(),
    ):
        checkpoints.mark(["at 16"])
        before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
        update(model, [])
        os.kill(os.getpid(), number)
    assert Checkpoints(checkpoints.path, model, {"seed": 2}, 1).resume() is None
    assert model.num_timesteps == 32
    assert Checkpoints(checkpoints.path, model, {"seed": 1}, 1).resume() == ["at 16"]
    assert model.num_timesteps == 16
    for name, tensor in model.policy.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_where_there_is_nothing_to_keep_nothing_is_written(model, tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoint.pth", model, {}, every=1000)
    with pytest.raises(Interrupted, match="Stopped by SIGTERM"), checkpoints.interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert not checkpoints.path.exists()
    assert checkpoints.resume() is None
