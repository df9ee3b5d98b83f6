"""The data card of a dataset of rollouts: a README.md as the Hugging Face hub shows it, from what its files tell."""

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import yaml

from mocapact_core.clips.acknowledgement import PAPER, terms_of
from mocapact_core.config import Config
from mocapact_core.files import write_text
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.provenance import PACKAGES
from mocapact_core.rollouts import card_text
from mocapact_core.rollouts.layout import EpisodeMetrics
from mocapact_core.rollouts.summary import Summary, summarize

TAGS = ["mocapact", "humanoid", "motion-capture", "imitation-learning", "offline-rl", "mujoco", "dm_control"]
SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
"""The hub's categories: numbers of rows, which are steps here."""
FEW = 50
"""As many clips have a table of their own."""


def write_card(rollout_paths: Sequence[str | Path], output: str | PathLike) -> None:
    """Write the data card of some rollout files. The same files make the same bytes.

    Args:
        rollout_paths: rollout files of one dataset, ours or published ones.
        output: README.md, to lie beside them.

    Raises:
        InputError: as in `summarize`.
    """
    summary = summarize(rollout_paths)
    parts = (
        _front_matter(summary),
        _introduction(summary),
        _statistics(summary),
        _how_it_was_made(summary),
        card_text.files(summary),
        card_text.reading(summary),
        "## Licence and acknowledgement\n\n" + terms_of(clip.name for clip in summary.clips).text,
        card_text.CITATION,
    )
    write_text(output, "\n\n".join(parts) + "\n")


def _front_matter(summary: Summary) -> str:
    steps = int(summary.episodes.episode_lengths.sum())
    size = SIZES[min(max(len(str(steps)) - 3, 0), len(SIZES) - 1)]
    content = {
        "pretty_name": f"Rollouts of {_count(len(summary.snippets), 'motion capture expert')}",
        **terms_of(clip.name for clip in summary.clips).licence,
        "task_categories": ["reinforcement-learning", "robotics"],
        "tags": TAGS,
        "size_categories": [size],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False)}---"


def _introduction(summary: Summary) -> str:
    n_episodes, n_experts = len(summary.episodes.episode_lengths), len(summary.snippets)
    pictures = f" Pictures of {' and '.join(summary.cameras)} are there, too." if summary.cameras else ""
    text = f"""
        A simulated humanoid tracks motion capture: {_count(n_episodes, "episode")} of {_count(n_experts, "expert")}, each
        trained on a snippet of a few seconds, of {_count(len(summary.clips), "clip")}. An episode tells, every
        {CONTROL_STEP} s, {summary.observation_size} numbers that the humanoid observes, the 56 actions that the expert took
        and their means, the reward, and the expert's estimates of value and advantage.{pictures} Layout and task are those
        of [MoCapAct]({PAPER}); the humanoid is dm_control's CMU humanoid, simulated with MuJoCo.
    """
    return f"# Rollouts of {_count(n_experts, 'motion capture expert')}\n\n{_paragraph(text)}"


def _statistics(summary: Summary) -> str:
    rows = {
        "from the start of the snippet": summary.from_start,
        "from random steps of it (RSI)": summary.from_random_steps,
        "all": summary.episodes,
    }
    text = """
        Normalised are the sum of rewards (at most 1.45 a step) and the number of steps, each divided by the steps from
        the start of the episode to the last that the snippet has. An episode ends early when the humanoid has lost the
        motion.
    """
    parts = [
        "## Statistics",
        f"{_count(len(summary.clips), 'clip')}, {_count(len(summary.snippets), 'snippet')}, "
        f"{summary.size / 1e6:,.1f} MB.",
        _table(("", *COLUMNS), ((name, *_cells(of)) for name, of in rows.items())),
        _paragraph(text),
    ]
    if len(summary.clips) <= FEW:
        clips = ((clip.name, f"{len(clip.snippets)}", *_cells(clip.episodes)) for clip in summary.clips)
        parts.append(_table(("clip", "snippets", *COLUMNS), clips))
    return "\n\n".join(parts)


COLUMNS = (
    "episodes",
    "steps",
    "hours",
    "normalised return, mean (median)",
    "normalised length, mean (median)",
    "ended early",
)


def _cells(episodes: EpisodeMetrics) -> tuple[str, ...]:
    """What `COLUMNS` tell of some episodes."""
    n, steps = len(episodes.episode_lengths), int(episodes.episode_lengths.sum())
    cells = (f"{n:,}", f"{steps:,}", f"{steps * CONTROL_STEP / 3600:.3f}")
    if n == 0:
        return (*cells, "", "", "")
    normalised = (episodes.norm_episode_returns, episodes.norm_episode_lengths)
    means = (f"{np.mean(of):.3f} ({np.median(of):.3f})" for of in normalised)
    return (*cells, *means, f"{100 * np.mean(episodes.early_termination):.1f} %")


def _how_it_was_made(summary: Summary) -> str:
    title = "## How it was made"
    if not summary.records:
        return f"{title}\n\nThe files do not tell how they were made."
    text = """
        By mocapact-core: an expert is a policy trained with PPO to track its snippet (paper, section 4.1). It was rolled
        out with noise in its actions (section 4.2), from the start of the snippet and from random steps of it. All starts
        were assigned in advance, and no episode was left out.
    """
    settings = (
        (f"`{section}.{name}`", _values(summary.recorded("settings", section, name)), _meaning(section, name))
        for section in ("tracking", "rollouts")
        for name in type(getattr(Config(), section)).model_fields
        if summary.recorded("settings", section, name)
    )
    seed = f"""
        Seed: {_values(summary.recorded("seed"))}. The attribute `provenance` of each file also has the SHA-256 of its clip
        and of its experts.
    """
    versions = (
        (package, ", ".join(summary.recorded("versions", package)))
        for package in PACKAGES
        if summary.recorded("versions", package)
    )
    return "\n\n".join(
        [
            title,
            _paragraph(text),
            _table(("setting", "value", "what it is"), settings),
            _paragraph(seed),
            _table(("package", "version"), versions),
        ]
    )


def _meaning(section: str, name: str) -> str:
    field = type(getattr(Config(), section)).model_fields[name]
    return _paragraph(field.description or "")


def _values(values: Iterable[object]) -> str:
    return ", ".join(json.dumps(value) for value in values)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _paragraph(text: str) -> str:
    return " ".join(text.split())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
