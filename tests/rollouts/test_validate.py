"""Sound files pass; each kind of damage is found, and told with its place."""

import re
import shutil

import h5py
import numpy as np
import pytest

from mocapact_core.rollouts.validate import validate
from tests.rollouts.synthetic import SIZES, write_synthetic_rollouts

E = "turn-0-40/1"
"""An episode from the start; episode 4 is one from a random step."""
OBSERVED = f"{E}/observations/proprioceptive"
START, RSI = "turn-0-40/start_metrics", "turn-0-40/rsi_metrics"
TIME = sum(size for name, size in SIZES.items() if name < "time_in_clip")


def test_collected_files_have_nothing_to_tell(recorded):
    for path in (recorded.full, recorded.compact):
        report = validate(path)
        assert report.usable and not report.findings
        with h5py.File(path) as file:
            steps = sum(
                len(file[f"{name}/{k}/actions"]) for name in ("turn-0-40", "turn-30-80") for k in range(6)
            )
        assert report.verdict == f"{path}: can be used (2 snippets, 12 good episodes, {steps} steps)"


@pytest.fixture
def damaged(recorded, tmp_path):
    """Validate a copy of the full file in which arrays are changed by functions, or deleted where there is none."""

    def call(changes):
        path = shutil.copy(recorded.full, tmp_path / "turn.hdf5")
        with h5py.File(path, "r+") as file:
            for name, change in changes.items():
                values = file[name][()] if change else None
                del file[name]
                if change:
                    file[name] = change(values)
        return validate(path)

    return call


def put(index, value):
    def change(array):
        array = array.copy()
        array[index] = value
        return array

    return change


ERRORS = [
    (r"it has no stats/act_var", "stats/act_var", None),
    (r"turn-0-40 has no episode 3", "turn-0-40/3", None),
    (r"turn-0-40, episode 1: .*values", f"{E}/values", None),
    (r"turn-0-40, episode 1: .*different lengths", f"{E}/rewards", lambda a: a[1:]),
    (r"turn-0-40, episode 1: rewards has the shape \(\d+, 1\)", f"{E}/rewards", lambda a: a[:, None]),
    (r"turn-0-40, episode 1: actions has the shape \(\d+, 55\)", f"{E}/actions", lambda a: a[:, 1:]),
    (r"turn-0-40, episode 1: actions is of type int64", f"{E}/actions", lambda a: a.astype(int)),
    (r"turn-0-40, episode 1: observations .* instead of \(\d+, 2868\)", OBSERVED, lambda a: a[:, 1:]),
    (r"column 0 to 4", "observable_indices/walker/actuator_activation", put(slice(4), 0)),
    (r"each of 2868 columns to one .* 2865", "observable_indices/walker/world_zaxis", None),
    (r"each of 2868 columns to one .* 2865", "observable_indices/walker/world_zaxis", lambda a: a + 1),
    (r"stats/proprio_var has the shape \(5,\)", "stats/proprio_var", lambda a: a[:5]),
    (r"stats/act_var holds values that are not finite", "stats/act_var", put(3, np.nan)),
    (r"turn-0-40, episode 1: observations holds 1 .* first at \[2, 700\]", OBSERVED, put((2, 700), np.nan)),
    (r"turn-0-40, episode 1: rewards holds 1 .* first at \[4\]", f"{E}/rewards", put(4, np.inf)),
    (r"turn-0-40, episode 1: episode_lengths says 77", f"{START}/episode_lengths", put(1, 77)),
    (r"turn-0-40, episode 1: norm_episode_returns says nan", f"{START}/norm_episode_returns", put(1, np.nan)),
    (r"turn-0-40, episode 4: norm_episode_lengths says 0.01", f"{RSI}/norm_episode_lengths", put(1, 0.01)),
    (r"turn-0-40, episode 4: episode_returns says 50", f"{RSI}/episode_returns", put(1, 50)),
    (r"turn-0-40, episode 4: norm_episode_returns says 5", f"{RSI}/norm_episode_returns", put(1, 5)),
    (r"turn-0-40, episode 1: early_termination", "turn-0-40/early_termination", put(1, False)),
    (r"turn-0-40, episode 1: advantages .* at step 3", f"{E}/advantages", put(3, 9)),
    (r"turn-0-40, episode 1: advantages", f"{E}/values", put(3, 99)),
    (r"stats/proprio_mean and _var are not those", "stats/proprio_mean", put(4, 3)),
    (r"stats/mean_act_mean and _var are not those", "stats/mean_act_var", put(4, 3)),
    (r"stats/proprio_mean and _var are not those", OBSERVED, put((2, 700), 1e4)),
    (r"turn-0-40, episode 1: time_in_clip .* row 2 ", OBSERVED, put((2, TIME), 0.9)),
    (
        r"turn-0-40, episode 1: .* begins at step 3",
        OBSERVED,
        lambda a: a + np.float32(3 / 40) * (np.arange(2868) == TIME),
    ),
    (r"a part of it cannot be read", "ref_steps", lambda a: a[:0]),
    (r"a part of it cannot be read", "n_start_rollouts", lambda a: np.zeros(3)),
]


@pytest.mark.parametrize(("told", "name", "change"), ERRORS, ids=[told[:60] for told, *_ in ERRORS])
def test_damage_is_found_and_told(damaged, told, name, change):
    report = damaged({name: change})
    assert not report.usable and "cannot be used" in report.verdict
    assert re.search(told, str(report)), str(report)
    assert len(report.findings) < 4


@pytest.mark.parametrize(
    ("name", "told"), [("turn-0-5", "turn-0-5: the snippet is too short"), ("turn", "turn does not name")]
)
def test_names_that_cannot_be_are_told(recorded, tmp_path, name, told):
    path = shutil.copy(recorded.full, tmp_path / "turn.hdf5")
    with h5py.File(path, "r+") as file:
        file.move("turn-0-40", name)
    assert told in str(validate(path))


def as_published(recorded):
    """Sums over actions divided by the number of observations, in 32 bits."""
    with h5py.File(recorded.full) as file:
        episodes = [f"{snippet}/{k}/actions" for snippet in ("turn-0-40", "turn-30-80") for k in range(6)]
        actions = np.concatenate([file[name][()] for name in episodes])
        count = file["stats/count"][()]
    mean = actions.sum(axis=0) / count
    return mean, (actions**2).sum(axis=0) / count - mean**2


def test_notes_do_not_condemn_a_file(damaged, recorded):
    mean, variance = as_published(recorded)
    for told, changes in {
        "stats/act_mean and _var divide sums": {
            "stats/act_mean": lambda a: mean,
            "stats/act_var": lambda a: variance,
        },
        "stats are of 5000 observations": {"stats/count": lambda a: np.int64(5000)},
        "turn-0-40, episode 1: rewards is of type float64": {f"{E}/rewards": lambda a: a.astype(float)},
        "turn-0-40, episode 1: actions go up to 1.5": {
            f"{E}/actions": put((2, 5), 1.5),
            "stats/count": lambda a: a + 1,  # the statistics would have been others, too
        },
    }.items():
        report = damaged(changes)
        assert report.usable and "can be used" in report.verdict
        assert told in str(report)


def test_the_same_damage_in_many_episodes_is_one_finding(damaged):
    [finding] = damaged({f"turn-0-40/{k}/advantages": put(0, 9) for k in (1, 2, 5)}).findings
    assert (finding.snippet, finding.episode, finding.others) == ("turn-0-40", 1, 2)
    assert str(finding).endswith("(and so do 2 more of its episodes).")


@pytest.mark.parametrize("share", [0, 0.1, 0.6, 0.999])
def test_a_truncated_file_has_a_clear_verdict(recorded, tmp_path, share):
    content = recorded.full.read_bytes()
    (tmp_path / "cut.hdf5").write_bytes(content[: int(share * len(content))])
    report = validate(tmp_path / "cut.hdf5")
    assert not report.usable
    assert "cut off" in str(report)


def test_foreign_and_absent_files_have_a_clear_verdict(recorded, tmp_path):
    assert "not a rollout file" in str(validate(recorded.clip))
    assert "There is no rollout file" in str(validate(tmp_path / "absent.hdf5"))
    (tmp_path / "text.hdf5").write_text("words")
    assert "cannot be read as HDF5" in str(validate(tmp_path / "text.hdf5"))


def test_random_numbers_are_not_believed(tmp_path):
    write_synthetic_rollouts(tmp_path / "x.hdf5", {"A_1-0-198": [12, 7, 9]}, n_start=1)
    report = validate(tmp_path / "x.hdf5")
    assert not report.usable
    assert {finding.check for finding in report.findings} >= {"wrong_advantages", "wrong_time"}
