"""The numbers the paper prints, to stand beside ours. Nothing here is computed."""

from dataclasses import dataclass

REWARD = "Average normalized episode reward"
LENGTH = "Average normalized episode length"


@dataclass(frozen=True)
class Summary:
    """A distribution in five numbers, as Tables 1 and 4 give it. What the paper does not print is None."""

    mean: float
    std: float | None = None
    median: float | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over training seeds, as Tables 2 and 3 give them."""

    mean: float
    std: float | None


SNIPPETS = 2589
"""Snippets of the CMU data (section 4.1)."""

EXPERTS = {  # Table 1: noise off, episodes from random steps
    REWARD: Summary(0.816, 0.153, 0.777, 0.217, 1.233),
    LENGTH: Summary(0.997, 0.022, 1.000, 0.424, 1.000),
}
NOISY_EXPERTS = {  # Table 9: noise on
    REWARD: Summary(0.689, 0.092, 0.690, 0.179, 0.876),
    LENGTH: Summary(0.984, 0.029, 0.990, 0.403, 1.000),
}
NOISY_RELATIVE = Summary(0.85)  # appendix C.1.3, of Fig. 13b: reward of noisy experts over that without noise

MULTI_CLIP_SEEDS = 3
MULTI_CLIP = {  # Table 2: decoder noise off, intentions sampled
    "bc": {REWARD: Spread(0.654, 0.005), LENGTH: Spread(0.855, 0.004)},
    "cwr": {REWARD: Spread(0.671, 0.003), LENGTH: Spread(0.858, 0.003)},
    "awr": {REWARD: Spread(0.661, 0.003), LENGTH: Spread(0.861, 0.001)},
    "rwr": {REWARD: Spread(0.688, 0.002), LENGTH: Spread(0.868, 0.002)},
}

MULTI_CLIP_REWARD = {"training": Summary(0.674), "validation": Summary(0.699)}  # section 5.1.1, of Fig. 6a
MULTI_CLIP_RELATIVE = {"training": Summary(0.815), "validation": Summary(0.797)}  # section 5.1.1, of Fig. 6b
MULTI_CLIP_BETTER = 0.13  # section 5.1.1: share of all snippets on which the policy outperforms their experts
AUTOREGRESSIVE_GAIN = {0.95: 0.03}  # appendix C.2.2: by alpha, how much more reward than with 0, as a share

TRANSFER_SEEDS = 5
TRANSFER = {  # Table 3: returns by task and low-level policy
    "go_to_target": {
        "general": Spread(96.3, 2.8),
        "locomotion": Spread(66.1, 32.8),
        "none": Spread(7.5, 1.1),
    },
    "velocity_control": {
        "general": Spread(1074, 55),
        "locomotion": Spread(884, 81),
        "none": Spread(1157, 89),
    },
}

COMPLETION_SECONDS = "Episode length (seconds)"
COMPLETION_RELATIVE = "Relative episode length"
COMPLETION = {  # Table 4
    COMPLETION_SECONDS: Summary(5.47, 3.47, 4.38, 0.23, 15.00),
    COMPLETION_RELATIVE: Summary(1.15, 0.94, 0.87, 0.05, 7.63),
}
