"""Pickles that old and new numpy read."""

import pickle
import pickletools
import warnings

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from mocapact_core.policies.pickling import npy, portable_pickle
from mocapact_core.policies.sb3 import save_normalizer


def named(pickled: bytes) -> set[str]:
    """What the pickle names, and in which modules."""
    return {name for code, name, _ in pickletools.genops(pickled) if code.name == "GLOBAL"}


@pytest.mark.parametrize(
    "content",
    [
        {
            "a": np.arange(6, dtype=np.float32).reshape(2, 3),
            "b": np.float64(2.5),
            "c": [np.int64(3), None, "d"],
        },
        [np.asfortranarray(np.ones((2, 3))), np.zeros((0, 2)), np.array(True), np.array(["text"])],
        {"plain": (1, 2)},
    ],
)
def test_content_is_what_it_was_and_named_as_before_numpy_2(content):
    pickled = portable_pickle(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_equal(pickle.loads(pickled), content)
    assert not any("numpy._core" in name for name in named(pickled))
    assert portable_pickle(pickle.loads(pickled)) == pickled


def test_only_names_are_changed():
    """A text that looks like one stays."""
    content = "cnumpy._core.multiarray\n_reconstruct\n"
    assert pickle.loads(portable_pickle(content)) == content


def test_normalisers_of_experts_are_written_so(tmp_path):
    normalizer = VecNormalize(DummyVecEnv([lambda: gymnasium.make("CartPole-v1")]))
    save_normalizer(normalizer, tmp_path / "vecnormalize.pkl")
    names = named((tmp_path / "vecnormalize.pkl").read_bytes())
    assert "numpy.core.multiarray _reconstruct" in names
    assert not any("numpy._core" in name for name in names)
    loaded = VecNormalize.load(str(tmp_path / "vecnormalize.pkl"), normalizer.venv)
    np.testing.assert_array_equal(loaded.obs_rms.var, np.ones(4))


@pytest.mark.parametrize("content", [np.arange(3.0), np.array("text"), 3, {"a": 1}])
def test_members_are_numpys_own(tmp_path, content):
    (tmp_path / "member.npy").write_bytes(npy(content))
    np.save(tmp_path / "expected.npy", content)
    loaded, expected = (
        np.load(tmp_path / name, allow_pickle=True) for name in ("member.npy", "expected.npy")
    )
    assert loaded.dtype == expected.dtype
    np.testing.assert_array_equal(loaded, expected)
