"""How much each step of the data counts: the weights w_c of section 5.1.1."""

import numpy as np
from scipy.special import logsumexp

from mocapact_core.rollouts.dataset import Batch, RolloutDataset

TEMPERATURES = {"bc": 1.0, "cwr": 0.2, "awr": 8.0, "rwr": 4.0}
"""Lambda of Table 6. Behavioral cloning has none."""


class Weighting:
    """w_c = exp(x / lambda) times the constant that makes its mean over the data 1.

    x is 0 (bc), the mean normalised return of the snippet (cwr), the advantage (awr), or value plus
    advantage (rwr). The mean is that of the data as training draws it: every step counts as often as it is
    drawn. Only then does the KL divergence keep its share of the objective.

    Args:
        kind: bc, cwr, awr or rwr.
        temperature: lambda; that of Table 6 when None.
        dataset: the data trained on; its metrics tell values and advantages of all steps.

    Raises:
        InputError: the metrics are of other episodes.
    """

    def __init__(self, kind: str, temperature: float | None, dataset: RolloutDataset):
        self.kind = kind
        self.temperature = temperature or TEMPERATURES[kind]
        sums, shares = [], []
        for steps in dataset.steps():
            exponents = self._exponents(
                steps.values, steps.advantages, dataset.snippet_returns[steps.snippet]
            )
            sums.append(logsumexp(exponents, b=steps.shares))
            shares.append(steps.shares.sum())
        self._log_constant = np.log(sum(shares)) - logsumexp(sums)

    def __call__(self, batch: Batch) -> np.ndarray:
        """(B, T) float32 weights of a batch."""
        exponents = self._exponents(batch.values, batch.advantages, batch.snippet_returns[:, None])
        return np.exp(exponents + self._log_constant).astype(np.float32)

    def _exponents(
        self, values: np.ndarray, advantages: np.ndarray, returns: np.ndarray | float
    ) -> np.ndarray:
        zero = np.zeros(values.shape)
        x = {
            "bc": zero,
            "cwr": returns + zero,
            "awr": advantages + zero,
            "rwr": values + advantages + zero,
        }[self.kind]
        return x / self.temperature
