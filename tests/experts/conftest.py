"""One small expert on a built-in motion, trained once for all tests."""

import pytest

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.snippets import Snippet
from mocapact_core.clips.trajectory import write_trajectory
from mocapact_core.experts import warm_start
from mocapact_core.experts.train import train_expert
from mocapact_core.settings import ExpertSettings, TrackingSettings

SNIPPET = Snippet("wave", 5, 70)
SMALL = ExpertSettings(
    total_steps=128,
    hidden=[16, 16],
    workers=8,
    steps_per_update=64,
    epochs=2,
    minibatch=32,
    evaluate_every=64,
    evaluation_episodes=6,
    evaluation_start_episodes=2,
)


@pytest.fixture(scope="session")
def motion(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "wave.h5"
    write_trajectory(path, builtin_trajectory("wave"))
    return path


@pytest.fixture(scope="session")
def train(motion):
    """Train the small expert into a folder."""

    def run(folder, seed=0, **changes):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(warm_start, "ROUND_STEPS", 24)
            patch.setattr(warm_start, "GRADIENT_STEPS", 60)
            train_expert(motion, SNIPPET, folder, SMALL.model_copy(update=changes), TrackingSettings(), seed)
        return folder

    return run


@pytest.fixture(scope="session")
def expert_folder(train, tmp_path_factory):
    return train(tmp_path_factory.mktemp("experts") / SNIPPET.name)
