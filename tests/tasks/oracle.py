"""dm_control's own tracking environment: the truth that ours is held against."""

import warnings

import numpy as np

from mocapact_core.tasks.tracking import OBSERVABLES, REFERENCE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from dm_control import composer
    from dm_control.locomotion.arenas import floors
    from dm_control.locomotion.tasks.reference_pose import tracking, types
    from dm_control.locomotion.walkers import cmu_humanoid


def tracking_environment(path, snippets, ref_steps, min_steps=10, seed=0, **options):
    """dm_control's MultiClipMocapTracking on the snippets of a trajectory file, with all 35 observables."""
    dataset = types.ClipCollection(
        ids=tuple(snippet.clip for snippet in snippets),
        start_steps=tuple(snippet.start for snippet in snippets),
        end_steps=tuple(snippet.end for snippet in snippets),
    )
    task = tracking.MultiClipMocapTracking(
        walker=cmu_humanoid.CMUHumanoidPositionControlledV2020,
        arena=floors.Floor((8, 8)),
        ref_path=str(path),
        ref_steps=ref_steps,
        dataset=dataset,
        min_steps=min_steps,
        reward_type="comic",
        enabled_reference_observables=[f"walker/{name}" for name in REFERENCE],
        **options,
    )
    for name in OBSERVABLES:
        task.observables[f"walker/{name}"].enabled = True
    return composer.Environment(
        task, random_state=np.random.RandomState(seed), strip_singleton_obs_buffer_dim=True
    )


def start_of(environment):
    """(snippet, step) of the episode that the environment has just begun."""
    return environment.task._current_clip_index, environment.task._time_step


def pose_actions(environment, step_ahead=1):
    """The actions that ask for the reference's next pose: keeps episodes going for a while."""
    task = environment.task
    joints = task._clip_reference_features["joints"]
    pose = joints[min(task._time_step + step_ahead, len(joints) - 1)]
    return np.clip(task._walker.cmu_pose_to_actuation(pose), -1, 1)
