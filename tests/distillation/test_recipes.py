"""What is minimised on a batch of data, against the objective written out."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mocapact_core.distillation.recipes import observables_of, recipe, sequence_of
from mocapact_core.distillation.weights import Weighting
from mocapact_core.rollouts.dataset import RolloutDataset
from mocapact_core.settings import GPTSettings, NPMPSettings


def recipe_and_batch(data, settings):
    names = [snippet.name for snippet in data.snippets]
    dataset = RolloutDataset(
        data.rollouts, data.metrics, names, observables_of(settings), sequence_of(settings)
    )
    torch.manual_seed(0)
    chosen = recipe(settings, dataset, [1, 2, 3, 4, 5])
    return dataset, chosen, dataset.batch(np.random.default_rng(0), 8)


@pytest.mark.parametrize("weighting", ["bc", "rwr"])
def test_an_npmp_maximises_the_multi_step_objective(data, weighting):
    """With intentions that it samples, the first of them from a standard normal distribution."""
    settings = NPMPSettings(
        intention_size=3,
        encoder_hidden=[16],
        decoder_hidden=[8],
        sequence=5,
        weighting=weighting,
        beta=0.3,
        alpha=0.6,
    )
    dataset, chosen, batch = recipe_and_batch(data, settings)
    torch.manual_seed(4)
    terms = chosen.loss(batch)
    torch.manual_seed(4)
    noise = torch.randn(8, 5 + 1, 3)

    policy, weights = chosen.policy, torch.as_tensor(Weighting(weighting, None, dataset)(batch))
    observations, mean_actions = torch.as_tensor(batch.observations), torch.as_tensor(batch.mean_actions)
    likelihoods, kls, intention = [], [], noise[:, 0]
    for t in range(5):
        prior = Normal(0.6 * intention, 0.8)
        mean, log_variance = policy.encode(observations[:, t], intention)
        encoder = Normal(mean, (0.5 * log_variance).exp())
        intention = mean + encoder.stddev * noise[:, t + 1]
        decoder = Normal(policy.decode(observations[:, t, :205], intention), 0.1)
        likelihoods.append(weights[:, t] * decoder.log_prob(mean_actions[:, t]).sum(dim=1))
        kls.append(kl_divergence(encoder, prior).sum(dim=1))
    total = (torch.stack(likelihoods) - 0.3 * torch.stack(kls)).sum() / 8
    torch.testing.assert_close(terms["loss"], -total, rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(terms["kl"], torch.stack(kls).mean(), rtol=1e-5, atol=1e-5)


def test_a_gpt_minimises_the_mean_squared_error_with_dropout(data):
    settings = GPTSettings(kind="gpt", block=4, embedding=16, layers=1, heads=2, dropout=0.5)
    _, chosen, batch = recipe_and_batch(data, settings)
    torch.manual_seed(4)
    terms = chosen.loss(batch)
    torch.manual_seed(4)
    actions = chosen.policy(torch.as_tensor(batch.observations)).detach().numpy()
    assert terms["loss"].item() == pytest.approx(np.square(actions - batch.mean_actions).mean(), rel=1e-5)
    again = chosen.policy(torch.as_tensor(batch.observations)).detach().numpy()
    assert not np.allclose(actions, again)
