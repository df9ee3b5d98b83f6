"""Transitions against the file, read with plain h5py."""

import h5py
import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.humanoid.observables import BASE, HIGH_LEVEL_SANS_REFERENCE
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.rollouts.transitions import d4rl, transitions
from tests.rollouts.synthetic import write_synthetic_dataset

LENGTHS = {"A_1-0-198": [12, 7, 200, 4], "A_1-165-363": [5, 8, 11, 200], "B_2-0-60": [3, 30, 1, 5]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Episodes of less than 200 steps ended early."""
    return write_synthetic_dataset(tmp_path_factory.mktemp("rollouts"), LENGTHS, n_start=2)


@pytest.fixture(scope="module")
def expected(written):
    """Episode after episode, as D4RL's `qlearning_dataset` would tell them."""
    rows = {name: [] for name in FIELDS}
    for path in written[0]:
        with h5py.File(path) as file:
            indices = [file[f"observable_indices/walker/{name}"][()] for name in HIGH_LEVEL_SANS_REFERENCE]
            for snippet in LENGTHS.keys() & file.keys():
                for k in range(4):
                    group = file[f"{snippet}/{k}"]
                    seen = group["observations/proprioceptive"][()][:, np.concatenate(indices)]
                    early = file[f"{snippet}/early_termination"][k]
                    last = np.arange(len(seen) - 1) == len(seen) - 2
                    for name, of in zip(
                        FIELDS,
                        (
                            seen[:-1],
                            group["actions"][()],
                            group["rewards"][()],
                            seen[1:],
                            last & early,
                            last & ~early,
                        ),
                        strict=True,
                    ):
                        rows[name].append(of)
    return {name: np.concatenate(parts) for name, parts in rows.items()}


FIELDS = ("observations", "actions", "rewards", "next_observations", "terminals", "timeouts")


def dataset(written, **changes):
    return RolloutDataset(
        *written[:2], None, **{"observables": HIGH_LEVEL_SANS_REFERENCE, "sequence": 1} | changes
    )


def in_one_order(arrays):
    """Rewards are random, hence all different."""
    order = np.argsort(arrays["rewards"])
    return {name: array[order] for name, array in arrays.items()}


def test_all_steps_as_in_d4rl(written, expected):
    arrays = d4rl(dataset(written))
    assert list(arrays) == list(FIELDS)
    assert len(arrays["rewards"]) == sum(map(sum, LENGTHS.values()))
    assert arrays["terminals"].sum() == 10 and arrays["timeouts"].sum() == 2
    for name, array in in_one_order(arrays).items():
        np.testing.assert_array_equal(array, in_one_order(expected)[name])
    follows = ~(arrays["terminals"] | arrays["timeouts"])[:-1]
    np.testing.assert_array_equal(
        arrays["next_observations"][:-1][follows], arrays["observations"][1:][follows]
    )


def test_an_epoch_has_each_transition_once(written, expected):
    batches = list(transitions(dataset(written), seed=1, size=32))
    n = len(expected["rewards"])
    assert [len(batch.rewards) for batch in batches] == [32] * (n // 32) + [n % 32]
    arrays = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in FIELDS}
    for name, array in in_one_order(arrays).items():
        np.testing.assert_array_equal(array, in_one_order(expected)[name])
    places = np.searchsorted(np.sort(expected["rewards"]), expected["rewards"])
    order = places.argsort()[np.searchsorted(np.sort(expected["rewards"]), arrays["rewards"])]
    assert abs(np.corrcoef(np.arange(n), order)[0, 1]) < 0.15, "in random order"


def test_the_order_follows_the_seed(written):
    data = dataset(written)
    one, same, other = (next(transitions(data, seed, 8)).rewards for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    rng = np.random.default_rng(1)
    first, second = (next(transitions(data, rng, 8)).rewards for _ in range(2))
    np.testing.assert_array_equal(first, one)
    assert not np.array_equal(first, second), "every epoch has an order of its own"


def test_parts_and_normalised(written):
    parts = {"all": HIGH_LEVEL_SANS_REFERENCE, "base": BASE}
    plain = d4rl(dataset(written, normalise=True))
    arrays = d4rl(dataset(written, observables=parts, normalise=True))
    batch = next(transitions(dataset(written, observables=parts, normalise=True), 0, 10))
    for name in ("observations", "next_observations"):
        np.testing.assert_array_equal(arrays[name]["all"], plain[name])
        np.testing.assert_array_equal(arrays[name]["base"], plain[name][:, :205])
        rows = [np.flatnonzero(arrays["rewards"] == reward)[0] for reward in batch.rewards]
        np.testing.assert_array_equal(getattr(batch, name)["base"], arrays[name]["base"][rows])
    assert np.abs(plain["observations"].mean(axis=0)).max() < 0.5


def test_only_episodes_that_are_long_enough(written):
    arrays = d4rl(dataset(written, sequence=10))
    assert len(arrays["rewards"]) == 12 + 200 + 11 + 200 + 30
    with pytest.raises(InputError, match="Batches of 0"):
        next(transitions(dataset(written), 0, 0))
