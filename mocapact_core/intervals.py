"""Confidence intervals: over many values by the bootstrap, over a few trainings by Student's t."""

import numpy as np
from scipy.stats import t

CONFIDENCE = 0.95
RESAMPLES = 2000  # of the bootstrap


def mean_and_interval(values: np.ndarray, seed: int) -> dict[str, float]:
    """Mean of values (E,) and its confidence interval: the percentile bootstrap (Efron, 1979).

    Where all values are alike, as those of episodes without noise from the start, the interval has no width.
    """
    picks = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values[picks].mean(axis=1), [tail, 1 - tail])
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def interval_of_few(values: np.ndarray) -> tuple[float, float] | None:
    """Confidence interval of the mean of few values (E,), such as those of three seeds; None of a single one.

    Student's t: of three values the bootstrap knows ten means, none beyond the values themselves, and its
    interval holds the true mean far less often than it says. It takes the values to be normally distributed.
    """
    if len(values) < 2:
        return None
    reach = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - reach), float(np.mean(values) + reach)
