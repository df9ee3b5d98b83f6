"""Small rollout files of random numbers in the published layout, for tests of what reads them."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from mocapact_core.rollouts import layout
from mocapact_core.rollouts.metrics import write_dataset_metrics
from mocapact_core.rollouts.statistics import NO_STATISTICS, Statistics

_PUBLISHED = """
actuator_activation 56, appendages_pos 15, body_height 1, end_effectors_pos 12, gyro_anticlockwise_spin 1,
gyro_backward_roll 1, gyro_control 3, gyro_rightward_roll 1, head_height 1, joints_pos 56, joints_vel 56,
joints_vel_control 56, orientation 9, position 3, reference_appendages_pos 75, reference_ego_bodies_quats 620,
reference_rel_bodies_pos_global 465, reference_rel_bodies_pos_local 465, reference_rel_bodies_quats 620,
reference_rel_joints 280, reference_rel_root_pos_local 15, reference_rel_root_quat 20,
sensors_accelerometer 3, sensors_gyro 3, sensors_torque 6, sensors_touch 10, sensors_velocimeter 3,
time_in_clip 1, torso_xvel 1, torso_yvel 1, veloc_forward 1, veloc_strafe 1, veloc_up 1,
velocimeter_control 3, world_zaxis 3
"""
SIZES = {name: int(size) for name, size in (entry.split() for entry in _PUBLISHED.split(","))}
"""The published observables, from the facts of the published data: 2868 numbers."""


def random_episode(rng: np.random.Generator, steps: int) -> layout.Episode:
    """Means and scales differ by column, so that mixed-up columns are seen."""
    size = sum(SIZES.values())
    mean_actions = rng.uniform(-1, 1, (steps, 56))
    return layout.Episode(
        observations=(rng.standard_normal((steps + 1, size)) * 0.5 + np.arange(size) % 97).astype(np.float32),
        actions=np.clip(mean_actions + 0.1 * rng.standard_normal((steps, 56)), -1, 1).astype(np.float32),
        mean_actions=mean_actions.astype(np.float32),
        rewards=rng.uniform(0, 1.45, steps).astype(np.float32),
        values=rng.uniform(0, 20, steps).astype(np.float32),
        advantages=rng.standard_normal(steps).astype(np.float32),
    )


def write_synthetic_rollouts(
    path: Path, lengths: dict[str, Sequence[int]], n_start: int, seed: int = 0
) -> dict[str, list[layout.Episode]]:
    """Write a rollout file.

    Args:
        lengths: for each snippet, steps of its episodes; the first `n_start` are those from the start.

    Returns:
        the episodes of each snippet.
    """
    rng = np.random.default_rng(seed)
    content = {
        snippet: [random_episode(rng, steps) for steps in steps_of] for snippet, steps_of in lengths.items()
    }
    with h5py.File(path, "w") as file:
        n_rsi = len(next(iter(lengths.values()))) - n_start
        layout.write_header(file, SIZES, (1, 2, 3, 4, 5), n_start, n_rsi)
        for snippet, episodes in content.items():
            for k, episode in enumerate(episodes):
                layout.write_episode(file, snippet, k, episode)
            steps, returns = np.array(lengths[snippet]), np.array([e.rewards.sum() for e in episodes])
            metrics = layout.EpisodeMetrics(returns, steps, returns / 200, steps / 200, steps < 200)
            layout.write_metrics(file, snippet, n_start, metrics)
        everything = [Statistics.of(episode) for episodes in content.values() for episode in episodes]
        layout.write_statistics(file, sum(everything, start=NO_STATISTICS).published())
    return content


def write_synthetic_dataset(
    folder: Path, lengths: dict[str, Sequence[int]], n_start: int = 1, seed: int = 0
) -> tuple[list[Path], Path, dict[str, list[layout.Episode]]]:
    """One file a clip and their metrics.npz: (rollout paths, metrics path, episodes by snippet)."""
    clips: dict[str, dict[str, Sequence[int]]] = {}
    for snippet, steps in lengths.items():
        clips.setdefault(snippet.rsplit("-", 2)[0], {})[snippet] = steps
    paths, episodes = [], {}
    for number, (clip, of_clip) in enumerate(sorted(clips.items())):
        paths.append(folder / f"{clip}.hdf5")
        episodes.update(write_synthetic_rollouts(paths[-1], of_clip, n_start, seed + number))
    return paths, write_dataset_metrics(paths, folder), episodes
