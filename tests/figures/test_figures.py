"""Figures: their data are the results, their bytes repeat, and nothing on them overlaps."""

import itertools
from typing import get_args

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy.stats import bootstrap

from mocapact_core.errors import InputError
from mocapact_core.figures import figure_9
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.figure_9 import Episode, project, windows
from mocapact_core.settings import Drawing
from tests.figures.conftest import draw_all, lines
from tests.figures.synthetic import completion

FIGURES = [name for name in get_args(Drawing) if name.startswith("figure")]


# ---- Data


def test_figure_6_divides_by_the_expert_and_knows_what_was_held_out(many, drawn):
    data = {line["snippet"]: line for line in lines(drawn["many"][0] / "figure_6.csv")}
    policy = np.load(many.policies[0])
    assert set(data) == set(many.snippets)
    for index, (snippet, expert) in enumerate(zip(many.snippets, many.experts, strict=True)):
        episodes = (policy["snippet"] == index) & ~policy["from_start"]
        ours = policy["ep_norm_rews"][episodes].mean()
        theirs = np.load(expert)["ep_norm_rews"].mean()
        assert float(data[snippet]["relative_reward"]) == pytest.approx(ours / theirs, rel=1e-12)
        assert data[snippet]["set"] == ("training" if snippet in many.trained_on else "validation")
    assert sum(line["set"] == "validation" for line in data.values()) == 12


@pytest.mark.parametrize("size", ["few", "many"])
def test_figure_6_sums_up_how_the_policy_compares_with_the_experts(size, drawn):
    rows = lines(drawn[size][0] / "figure_6.csv")
    summary = {(line["set"], line["origin"]): line for line in lines(drawn[size][0] / "figure_6_summary.csv")}
    sets = {"all": ("training", "validation"), "training": ("training",)}
    sets |= {"validation": ("validation",)} if size == "many" else {}
    assert {name for name, origin in summary if origin == "this run"} == set(sets)
    for name, members in sets.items():
        values = np.array([float(row["relative_reward"]) for row in rows if row["set"] in members])
        line = {
            key: float(value)
            for key, value in summary[name, "this run"].items()
            if key not in ("set", "origin")
        }
        interval = bootstrap(
            (values,), np.mean, n_resamples=20_000, method="percentile", rng=2
        ).confidence_interval
        width = interval.high - interval.low
        assert line["snippets"] == len(values)
        assert line["relative_reward"] == pytest.approx(values.mean(), rel=1e-12)
        assert line["low"] == pytest.approx(interval.low, abs=0.1 * width)
        assert line["high"] == pytest.approx(interval.high, abs=0.1 * width)
        assert line["share_better_than_expert"] == np.mean([value > 1 for value in values])
    assert summary["training", "paper"]["relative_reward"] == "0.815"
    assert summary["validation", "paper"]["relative_reward"] == "0.797"
    assert summary["all", "paper"]["share_better_than_expert"] == "0.13"


def test_figure_8_has_every_completion(many, drawn):
    arrays = np.load(many.completion)
    data = lines(drawn["many"][0] / "figure_8.csv")
    assert [float(line["seconds"]) for line in data] == pytest.approx((arrays["lengths"] * 0.03).tolist())
    assert [line["snippet"] for line in data] == [arrays["snippets"][i] for i in arrays["snippet"]]


def test_figure_9_has_windows_of_32_actions_in_the_plane_of_largest_variance():
    rng = np.random.default_rng(0)
    episode = Episode("CMU_001_01-0-90", rng.standard_normal((40, 56)), rng.standard_normal((50, 56)))
    flat = np.array([episode.expert[i : i + 32].ravel() for i in range(50 - 31)])
    np.testing.assert_array_equal(windows(episode.expert), flat)

    both = np.concatenate([flat, [episode.gpt[i : i + 32].ravel() for i in range(40 - 31)]])
    variances, _ = np.linalg.eigh(np.cov(both.T, bias=True))
    points = np.concatenate([project(episode).points["expert"], project(episode).points["GPT"]])
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(points.var(axis=0), variances[::-1][:2], rtol=1e-9)
    assert np.corrcoef(points.T)[0, 1] == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(project(episode).explained, variances[::-1][:2] / variances.sum(), rtol=1e-9)


def test_figure_9_orders_snippets_by_how_far_gpt_strays(tmp_path):
    """Actions on one line: GPT repeats the expert's, is off by a little, and by much."""
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(56)
    expert = np.sin(np.arange(60) / 5)[:, None] * direction
    names = ["a-0-60", "b-0-60", "c-0-60"]
    gpt = [expert + offset * direction for offset in (9.0, 0.0, 2.0)]
    ends = np.arange(4) * 60
    path = tmp_path / "completion.npz"
    np.savez(
        path,
        snippets=names,
        snippet=np.arange(3),
        actions=np.concatenate(gpt),
        offsets=ends,
        expert_actions=np.concatenate([expert] * 3),
        expert_offsets=ends,
    )
    figure_9.draw(path, tmp_path / "figure_9")
    shown = dict.fromkeys(line["snippet"] for line in lines(tmp_path / "figure_9.csv"))
    assert list(shown) == ["b-0-60", "c-0-60", "a-0-60"]
    figure_9.draw(path, tmp_path / "asked", snippets=["c-0-60"])
    assert {line["snippet"] for line in lines(tmp_path / "asked.csv")} == {"c-0-60"}
    with pytest.raises(InputError, match=r"asked for d-0-60.*nearest that exist are"):
        figure_9.draw(path, tmp_path / "unknown", snippets=["d-0-60"])


def test_figure_9_says_so_when_no_completion_fills_a_window(tmp_path):
    path = completion(tmp_path, ["CMU_001_01-0-100", "CMU_002_01-0-100"], longest=31)
    figure_9.draw(path, tmp_path / "figure_9")
    assert lines(tmp_path / "figure_9.csv") == []
    assert (tmp_path / "figure_9.png").stat().st_size > 0


def test_figure_18_has_the_length_of_each_clip_in_seconds_and_both_protocols(many, drawn):
    data, arrays = lines(drawn["many"][0] / "figure_18.csv"), np.load(many.clips)
    assert len(data) == len(arrays["snippets"]) == 60
    for index, line in enumerate(data):
        clip, start, end = arrays["snippets"][index].rsplit("-", 2)
        assert (line["clip"], start) == (clip, "0")
        assert float(line["seconds"]) == pytest.approx(int(end) * 0.03)
        for key, name in (("ep_norm_rews", "reward"), ("ep_norm_lens", "length")):
            for suffix, from_start in (("", False), ("_from_start", True)):
                episodes = (arrays["snippet"] == index) & (arrays["from_start"] == from_start)
                expected = pytest.approx(arrays[key][episodes].mean(), rel=1e-12)
                assert float(line[f"normalized_{name}{suffix}"]) == expected


def test_figure_18_shows_every_clip(many, drawn):
    page = drawn["many"][1]["figure_18"]
    seconds = [float(line["seconds"]) for line in lines(drawn["many"][0] / "figure_18.csv")]
    for axis in page.axes:
        x, y = axis.lines[0].get_data()
        np.testing.assert_allclose(x, seconds)
        assert axis.get_xlim()[0] < min(x) and max(x) < axis.get_xlim()[1]
        assert axis.get_ylim()[0] <= min(y) and max(y) <= axis.get_ylim()[1]


# ---- Pictures


def test_histograms_hold_every_value_also_those_beyond_the_axis():
    page = Figure(figsize=(5, 3))
    bins = np.linspace(0, 1, 5)
    one = Panel("x", {"": np.array([0.1, 0.1, 0.6, 1.0, 7.0])}, {}, bins)
    two = Panel("y", {"training": np.full(8, 0.3), "validation": np.array([0.3, 0.9])}, {}, bins)
    draw_panels(page, [one, two])
    counted = [bar.get_height() for bar in page.axes[2].patches]
    assert counted == [2, 0, 1, 2]
    filled = [patch for patch in page.axes[3].patches if patch.get_fill()]
    shares = [np.nan_to_num(patch.get_data().values).tolist() for patch in filled]
    assert shares == [[0, 1, 0, 0], [0, 0.5, 0, 0.5]]


def test_all_files_repeat_to_the_byte_whatever_the_user_configured(few, drawn, tmp_path, monkeypatch):
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30)
    monkeypatch.setitem(matplotlib.rcParams, "svg.hashsalt", "other")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    again = draw_all(few, tmp_path)
    assert [path.name for path in again] == sorted(path.name for path in drawn["few"][0].iterdir())
    for path in again:
        assert path.read_bytes() == (drawn["few"][0] / path.name).read_bytes(), path.name
    assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("size", ["few", "many"])
@pytest.mark.parametrize("name", FIGURES)
def test_no_text_leaves_the_page_or_covers_another(size, name, drawn, monkeypatch):
    page = drawn[size][1][name]
    page.set_dpi(100)
    boxes = {}

    def record(text, renderer, draw=Text.draw):
        draw(text, renderer)
        if text.get_visible() and text.get_text().strip():
            boxes[id(text)] = text.get_text(), text.get_window_extent(renderer)

    monkeypatch.setattr(Text, "draw", record)
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    assert len(boxes) > 5 or name == "figure_4"
    width, height = canvas.get_width_height()
    for text, box in boxes.values():
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, text
    for (first, a), (second, b) in itertools.combinations(boxes.values(), 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap) < 1, f"{first!r} and {second!r} overlap by {overlap} pixels"
