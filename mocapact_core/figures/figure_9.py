"""Figure 9: principal components of what expert and GPT do, 32 actions at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from scipy.linalg import eigh

from mocapact_core.errors import InputError, nearest
from mocapact_core.figures.inputs import read_arrays
from mocapact_core.figures.style import BLUE, INK, ORANGE, figure, message
from mocapact_core.files import write_csv

WINDOW = 32  # control steps, about one second
PANELS = 3
COLOURS = {"expert": ORANGE, "GPT": BLUE}


@dataclass(frozen=True)
class Episode:
    """The actions of one motion completion and of the expert that gave the prompt, (T, 56) each."""

    snippet: str
    gpt: np.ndarray
    expert: np.ndarray


@dataclass(frozen=True)
class Projection:
    """Windows of one episode in the plane of their first two principal components."""

    snippet: str
    points: dict[str, np.ndarray]
    """(n, 2) for `expert` and `GPT`, in the order of time."""
    explained: np.ndarray
    """(2,) shares of the variance."""

    @property
    def distance(self) -> float:
        """How far GPT strays from the expert: mean distance of its windows to the nearest of the expert's,
        in units of the spread of the expert's own windows."""
        gpt, expert = self.points["GPT"], self.points["expert"]
        gaps = np.linalg.norm(gpt[:, None] - expert[None], axis=-1).min(axis=1)
        return float(gaps.mean() / max(expert.std(), 1e-12))


def draw(completion: str | Path, output: str | Path, snippets: Sequence[str] | None = None) -> None:
    """Write `output`.pdf, `output`.png and the data, `output`.csv.

    Args:
        completion: results/distillation/<gpt>/<seed>/completion.npz.
        snippets: names of at most three to show. None takes the one where GPT stays closest to the expert,
            the one in the middle and the one where it strays most; the paper chose its three by eye.
    """
    episodes = _episodes(completion)
    shown = [project(episode) for episode in _chosen(episodes, snippets)]
    if snippets is None:
        shown.sort(key=lambda projection: projection.distance)
        shown = [shown[index] for index in sorted({0, len(shown) // 2, len(shown) - 1})] if shown else []

    with figure(output, height=2.45) as page:
        if shown:
            for column, (axis, projection) in enumerate(
                zip(page.subplots(1, len(shown), squeeze=False)[0], shown, strict=True)
            ):
                _draw_panel(axis, projection, f"({'abc'[column]}) {projection.snippet}")
            handles, labels = page.axes[0].get_legend_handles_labels()
            page.legend(handles, labels, loc="outside lower center", ncols=len(labels), markerscale=1.5)
        else:
            message(page, f"No motion completion lasted {WINDOW} steps after its prompt: nothing to project.")
    write_csv(f"{output}.csv", ["snippet", "policy", "window", "first", "second"], _rows(shown))


def windows(actions: np.ndarray) -> np.ndarray:
    """All runs of 32 consecutive actions, (T, 56) to (T - 31, 1792)."""
    view = np.lib.stride_tricks.sliding_window_view(actions, WINDOW, axis=0)
    return view.swapaxes(1, 2).reshape(len(view), -1)


def project(episode: Episode) -> Projection:
    """Principal components of the windows of GPT and expert together."""
    groups = {"expert": windows(episode.expert), "GPT": windows(episode.gpt)}
    both = np.concatenate(list(groups.values())).astype(np.float64)
    both -= both.mean(axis=0)
    # There are fewer windows than numbers in one, and only two components are wanted: from the products of windows.
    n = len(both)
    scales, along = eigh(both @ both.T, subset_by_index=[n - 2, n - 1])
    axes = along.T[::-1] @ both
    axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-300)
    axes *= np.sign(axes[:, np.abs(axes).argmax(axis=1)].diagonal())[:, None]  # the sign is free
    points = np.split(both @ axes.T, [len(groups["expert"])])
    explained = np.maximum(scales[::-1], 0) / max(np.square(both).sum(), 1e-300)
    return Projection(episode.snippet, dict(zip(groups, points, strict=True)), explained)


def _episodes(path: str | Path) -> list[Episode]:
    """The first completion of each snippet that both GPT and the expert fill a window with."""
    needed = ("snippets", "snippet", "actions", "offsets", "expert_actions", "expert_offsets")
    arrays = read_arrays(path, *needed)
    found: dict[str, Episode] = {}
    for index, snippet in enumerate(arrays["snippet"]):
        gpt = arrays["actions"][slice(*arrays["offsets"][index : index + 2])]
        expert = arrays["expert_actions"][slice(*arrays["expert_offsets"][index : index + 2])]
        name = str(arrays["snippets"][snippet])
        if min(len(gpt), len(expert)) >= WINDOW and name not in found:
            found[name] = Episode(name, gpt, expert)
    return list(found.values())


def _chosen(episodes: list[Episode], snippets: Sequence[str] | None) -> list[Episode]:
    if snippets is None:
        return episodes
    by_name = {episode.snippet: episode for episode in episodes}
    for name in snippets:
        if name not in by_name:
            raise InputError(
                f"Figure 9 was asked for {name}, of which there is no motion completion of {WINDOW} steps; "
                f"the nearest that exist are {nearest(name, sorted(by_name))}."
            )
    return [by_name[name] for name in snippets][:PANELS]


def _draw_panel(axis: Axes, projection: Projection, title: str) -> None:
    for policy, points in projection.points.items():
        colour = COLOURS[policy]
        axis.plot(*points.T, color=colour, linewidth=0.6, alpha=0.7)
        axis.plot(*points.T, ".", color=colour, markersize=3, label=policy)
    edge: dict[str, Any] = {"markeredgecolor": INK, "markeredgewidth": 0.5}
    for policy, points in projection.points.items():
        axis.plot(points[0, 0], points[0, 1], "o", markersize=5, markerfacecolor=COLOURS[policy], **edge)
    axis.plot([], [], "o", markersize=3.5, markerfacecolor="none", label="first window", **edge)
    axis.set_title(title, fontsize=8)
    first, second = projection.explained
    axis.set_xlabel(f"First component ({first:.0%})")
    axis.set_ylabel(f"Second component ({second:.0%})")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.margins(0.08)


def _rows(projections: Sequence[Projection]) -> list[list]:
    return [
        [projection.snippet, policy, index, float(first), float(second)]
        for projection in projections
        for policy, points in projection.points.items()
        for index, (first, second) in enumerate(points)
    ]
