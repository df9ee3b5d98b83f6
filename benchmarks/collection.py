"""How near to bare physics are rollouts collected, with all 2868 numbers of every state written to a file?

    python -m benchmarks.collection [--motion march] [--rollouts 40] [--rounds 3]

Experts of the built-in motion, with networks of 3x256 and of the published 3x1024 units: untrained, under which episodes
are short, and warm-started, which track. Collection is the whole of `collect_rollouts`, file included. Bare physics is
plain `mj_step` six times and one `mj_forward` for each recorded action, world by world, from the recorded starts. They
take turns; times are CPU seconds of one thread. The motion is short: 40 rollouts are as many steps as MoCapAct's small
dataset has in the 20 of a usual snippet.
"""

import argparse
import tempfile
import time
from pathlib import Path

import mujoco
import numpy as np

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import read_trajectory, write_trajectory
from mocapact_core.experts.train import train_expert
from mocapact_core.humanoid.model import SUBSTEPS, load_model
from mocapact_core.rollouts import layout
from mocapact_core.rollouts.collect import collect_rollouts
from mocapact_core.rollouts.recorded import start_step
from mocapact_core.settings import ExpertSettings, RolloutSettings, TrackingSettings
from mocapact_core.tasks.references import References

SEED = 1


def collect(
    clip: Path, snippets: list[Snippet], experts: Path, output: Path, settings: RolloutSettings
) -> float:
    """CPU seconds of a collection."""
    began = time.process_time()
    collect_rollouts(clip, snippets, experts, output, settings, TrackingSettings(), SEED)
    return time.process_time() - began


def replay(clip: Path, snippets: list[Snippet], rollouts: Path) -> tuple[float, int]:
    """(CPU seconds of bare physics on the same actions, control steps)"""
    model, data = load_model(), mujoco.MjData(load_model())
    trajectory = read_trajectory(clip, snippets[0].clip)
    seconds, steps = 0.0, 0
    with layout.open_rollouts(rollouts) as file:
        columns = layout.observable_columns(file)
        for snippet in snippets:
            references = References.of_snippets([snippet], trajectory)
            for episode in layout.read_episodes(file, snippet.name):
                frame = start_step(episode.observations, columns, snippet.n_steps)
                actions = episode.actions.astype(np.float64)
                began = time.process_time()
                mujoco.mj_resetData(model, data)
                data.qpos[:], data.qvel[:] = references.qpos[frame], references.qvel[frame]
                mujoco.mj_forward(model, data)
                for action in actions:
                    data.ctrl[:] = action
                    for _ in range(SUBSTEPS):
                        mujoco.mj_step(model, data)
                    mujoco.mj_forward(model, data)
                seconds += time.process_time() - began
                steps += len(actions)
    return seconds, steps


def compare(motion: str, hidden: list[int], warm_start: str, rollouts: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = folder / "clip.h5"
        trajectory = builtin_trajectory(motion)
        write_trajectory(clip, trajectory)
        snippets = [Snippet(motion, 0, trajectory.n_steps)]
        settings = ExpertSettings(total_steps=0, hidden=hidden, warm_start=warm_start)
        for snippet in snippets:
            train_expert(clip, snippet, folder / snippet.name, settings, TrackingSettings(), SEED)
        asked = RolloutSettings(start_rollouts=rollouts // 2, rsi_rollouts=rollouts - rollouts // 2)
        output = folder / "rollouts.hdf5"
        shares = []
        for _ in range(rounds):
            ours = collect(clip, snippets, folder, output, asked)
            bare, steps = replay(clip, snippets, output)
            shares.append((bare / ours, ours / steps * 1e3, bare / steps * 1e3))
        share, ours, bare = np.median(shares, axis=0)
    kind = "untrained" if warm_start == "none" else "tracking"
    print(
        f"{kind} expert of 3x{hidden[0]}, {rollouts} episodes of {steps / rollouts:.0f} steps: {ours:.3f} ms of CPU a "
        f"control step, {share:.0%} of bare physics ({bare:.3f} ms)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--motion", default="march")
    parser.add_argument("--rollouts", type=int, default=40, help="episodes, half of them from the start")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    for warm_start in ("none", "inverse_dynamics"):
        for units in (256, 1024):
            compare(options.motion, [units] * 3, warm_start, options.rollouts, options.rounds)


if __name__ == "__main__":
    main()
