"""The weights against their formulas; their mean is 1 in the data that training draws."""

import numpy as np
import pytest

from mocapact_core.distillation.weights import TEMPERATURES, Weighting
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.rollouts.mapping import WIDTHS

KINDS = ["bc", "cwr", "awr", "rwr"]


@pytest.fixture(scope="module")
def dataset(data):
    names = [snippet.name for snippet in data.snippets]
    return RolloutDataset(data.rollouts, data.metrics, names, ["body_height"], sequence=4)


@pytest.fixture(scope="module")
def batch(dataset):
    return dataset.batch(np.random.default_rng(0), 1000)


def exponent(kind, batch):
    return {
        "bc": np.zeros_like(batch.values),
        "cwr": np.broadcast_to(batch.snippet_returns[:, None], batch.values.shape),
        "awr": batch.advantages,
        "rwr": batch.values + batch.advantages,
    }[kind]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [None, 2.0])
def test_weights_are_proportional_to_the_exponential(kind, temperature, dataset, batch):
    weights = Weighting(kind, temperature, dataset)(batch)
    assert weights.shape == batch.values.shape
    x = exponent(kind, batch) / (temperature or TEMPERATURES[kind])
    ratio = np.log(weights) - x
    np.testing.assert_allclose(ratio, ratio[0, 0], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", [None, 0.05])
def test_mean_weight_of_drawn_data_is_one(kind, temperature, dataset):
    """Over each sequence there is, each as often as it is drawn."""
    weighting, total, n = Weighting(kind, temperature, dataset), 0.0, 0.0
    for episode, steps in enumerate(dataset.index.steps):
        snippet = dataset.index.snippet[episode]
        for first in range(steps - dataset.sequence + 1):
            arrays = dataset.empty(1, dataset.sequence, [*dataset.parts, *WIDTHS])
            dataset.gather(np.array([episode]), np.array([first]), arrays)
            returns = dataset.snippet_returns[[snippet]].astype(np.float32)
            sequence = Batch(snippet_returns=returns, snippets=np.array([snippet]), **arrays)
            total += dataset.snippet_weights[snippet] * weighting(sequence).astype(float).mean()
            n += dataset.snippet_weights[snippet]
    assert total / n == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_batches_are_1_on_average(kind, dataset):
    """Whatever decides how often a step is drawn."""
    weighting, rng = Weighting(kind, None, dataset), np.random.default_rng(1)
    means = np.concatenate([weighting(dataset.batch(rng, 500)).mean(axis=1) for _ in range(10)])
    assert means.mean() == pytest.approx(1, abs=4 * means.std() / np.sqrt(len(means)) + 1e-5)


def test_behavioral_cloning_weighs_all_alike(dataset, batch):
    np.testing.assert_allclose(Weighting("bc", None, dataset)(batch), 1, rtol=1e-6)


def test_the_temperatures_are_those_of_the_paper():
    assert {kind: TEMPERATURES[kind] for kind in KINDS[1:]} == {"cwr": 0.2, "awr": 8, "rwr": 4}


def test_large_exponents_do_not_overflow(dataset, batch):
    weights = Weighting("rwr", 1e-3, dataset)(batch)
    assert np.isfinite(weights).all()
    assert weights.max() > 0
