"""How fast is the simulator? Ours, dm_control's environment and bare physics, side by side in one run, per core.

    python -m benchmarks.simulation [--worlds 64] [--rounds 5]

All three follow the same motion with the same kind of noisy actions and reset when an episode ends: those of an untrained
policy, under which episodes are short, and those of a teacher that tracks for long. Rounds take turns, so that a
machine that is busy for a while is busy for all; times are CPU seconds of one thread. Bare physics is plain `mj_step` six
times and one `mj_forward`, world by world, replaying our states and actions; it computes no observables and no
reward. dm_control's environment runs as it comes, without a ghost, and with the grey ghost that MoCapAct trained with.
"""

import argparse
import tempfile
import time
import warnings
from pathlib import Path

import mujoco
import numpy as np

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.trajectory import clip_lengths, write_trajectory
from mocapact_core.experts.feedforward import feedforward
from mocapact_core.humanoid.model import SUBSTEPS, load_model
from mocapact_core.humanoid.observables import TIME_INDEX
from mocapact_core.tasks.references import References
from mocapact_core.tasks.tracking import OBSERVABLES, TrackingTask

MOTION = "march"
NOISE = 0.1


def mean_actions(policy: str) -> np.ndarray:
    """(T, 56) actions along the motion: `untrained` is 0, `tracking` what inverse dynamics asks for."""
    trajectory = builtin_trajectory(MOTION)
    return feedforward(trajectory) if policy == "tracking" else np.zeros((len(trajectory), 56))


class Ours:
    """Batched worlds; keeps what they did, for bare physics to replay."""

    def __init__(self, n_worlds: int, observables: tuple[str, ...], policy: str):
        self.actions = mean_actions(policy)
        self.task = TrackingTask(References([builtin_trajectory(MOTION)]), n_worlds, observables, seed=1)
        self.rng = np.random.default_rng(0)
        self.task.reset()
        self.task.observe()

    def run(self, n_steps: int) -> float:
        """CPU seconds a world and control step."""
        n = self.task.n_worlds
        physics = self.task.physics
        self.first = [
            (physics.qpos[i].copy(), physics.qvel[i].copy(), physics.act[i].copy()) for i in range(n)
        ]
        self.record: list[tuple[np.ndarray, np.ndarray]] = []
        self.episodes = 0
        noise = NOISE * self.rng.standard_normal((n_steps, n, 56))
        began = time.process_time()
        for step_noise in noise:
            actions = np.clip(self.actions[self.task.step_in_snippet] + step_noise, -1, 1)
            step = self.task.step(actions)
            self.task.observe()
            if step.done.any():
                ended = np.flatnonzero(step.done)
                self.episodes += len(ended)
                self.task.reset(ended)
                self.task.observe(ended)
            self.record.append((actions, np.where(step.done, self.task.step_in_snippet, -1)))
        return (time.process_time() - began) / (n_steps * n)


class Bare:
    """Plain MuJoCo on the states and actions that ours has just been through."""

    def __init__(self, ours: Ours):
        self.ours = ours
        self.data = mujoco.MjData(load_model())

    def run(self) -> float:
        model, data, references = load_model(), self.data, self.ours.task.references
        record = self.ours.record
        began = time.process_time()
        for world, (qpos, qvel, act) in enumerate(self.ours.first):
            mujoco.mj_resetData(model, data)
            data.qpos[:], data.qvel[:], data.act[:] = qpos, qvel, act
            for actions, resets in record:
                data.ctrl[:] = actions[world]
                for _ in range(SUBSTEPS):
                    mujoco.mj_step(model, data)
                mujoco.mj_forward(model, data)
                if (frame := resets[world]) >= 0:
                    mujoco.mj_resetData(model, data)
                    data.qpos[:], data.qvel[:] = references.qpos[frame], references.qvel[frame]
                    mujoco.mj_forward(model, data)
        return (time.process_time() - began) / (len(record) * len(self.ours.first))


def dm_control_environment(path: Path, observables: tuple[str, ...], ghost: bool, seed: int = 0):
    """dm_control's MultiClipMocapTracking on the clip in `path`; with the ghost it is what MoCapAct trained on."""
    from dm_control import composer
    from dm_control.locomotion.arenas import floors
    from dm_control.locomotion.tasks.reference_pose import tracking, types
    from dm_control.locomotion.walkers import cmu_humanoid

    warnings.simplefilter("ignore")  # importing dm_control asks for all of protobuf's
    n_steps = clip_lengths(path)[MOTION]
    task = tracking.MultiClipMocapTracking(
        walker=cmu_humanoid.CMUHumanoidPositionControlledV2020,
        arena=floors.Floor((8, 8)),
        ref_path=str(path),
        ref_steps=(1, 2, 3, 4, 5),
        dataset=types.ClipCollection(ids=(MOTION,), start_steps=(0,), end_steps=(n_steps,)),
        reward_type="comic",
        enabled_reference_observables=["walker/time_in_clip"],
        ghost_offset=np.zeros(3) if ghost else None,
    )
    for name, observable in task.observables.items():
        observable.enabled = name.removeprefix("walker/") in observables
    return composer.Environment(
        task, random_state=np.random.RandomState(seed), strip_singleton_obs_buffer_dim=True
    )


class DmControl:
    """dm_control's environment with the same observables."""

    def __init__(self, path: Path, observables: tuple[str, ...], policy: str, ghost: bool):
        self.environment = dm_control_environment(path, observables, ghost)
        self.actions = mean_actions(policy)
        self.rng = np.random.default_rng(0)
        self.timestep = self.environment.reset()

    def run(self, n_steps: int) -> float:
        began = time.process_time()
        for noise in NOISE * self.rng.standard_normal((n_steps, 56)):
            if self.timestep.last():
                self.timestep = self.environment.reset()
            frame = self.environment.task._time_step
            self.timestep = self.environment.step(np.clip(self.actions[frame] + noise, -1, 1))
        return (time.process_time() - began) / n_steps


def compare(n_worlds: int, rounds: int, observables: tuple[str, ...], policy: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "motion.h5"
        write_trajectory(path, builtin_trajectory(MOTION))
        ours = Ours(n_worlds, observables, policy)
        bare = Bare(ours)
        plain, ghost = (DmControl(path, observables, policy, ghost) for ghost in (False, True))
        ours.run(40)  # past the starts that all worlds share
        times = np.array([(ours.run(40), bare.run(), plain.run(150), ghost.run(150)) for _ in range(rounds)])
    ms = np.median(times, axis=0) * 1e3
    ratios = np.median(times / times[:, :1], axis=0)
    length = 40 * n_worlds / max(1, ours.episodes)
    print(
        f"{policy} policy (episodes of {length:.0f} steps), {len(observables)} observables, {n_worlds} worlds"
    )
    print(
        f"  ours                              {ms[0]:.3f} ms of CPU a control step: {ratios[1]:.0%} of bare physics"
    )
    print(f"  bare physics                      {ms[1]:.3f}")
    print(f"  dm_control's environment          {ms[2]:.3f}: ours is {ratios[2]:.1f} times as fast")
    print(
        f"  dm_control's environment, ghost   {ms[3]:.3f}: ours is {ratios[3]:.1f} times as fast\n",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for policy in ("untrained", "tracking"):
        for observables in (TIME_INDEX, OBSERVABLES):
            compare(arguments.worlds, arguments.rounds, observables, policy)


if __name__ == "__main__":
    main()
