"""Figures: their data are the results, their bytes repeat, and nothing on them overlaps."""

import csv
import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from mocapact_core.errors import InputError
from mocapact_core.figures import figure_7, figure_9
from mocapact_core.figures.distributions import Panel, draw_panels
from mocapact_core.figures.figure_9 import Episode, project, windows
from mocapact_core.figures.inputs import TransferRun
from tests.figures.conftest import draw_all
from tests.figures.synthetic import completion

FIGURES = ["figure_3", "figure_6", "figure_7", "figure_8", "figure_9"]


def lines(path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# ---- Data


def test_figure_3_has_the_mean_of_each_expert(few, drawn):
    data = lines(drawn["few"][0] / "figure_3.csv")
    assert [line["snippet"] for line in data] == few.snippets
    for line, path in zip(data, few.experts, strict=True):
        arrays = np.load(path)
        assert float(line["normalised_reward"]) == pytest.approx(np.mean(arrays["ep_norm_rews"]), rel=1e-12)
        assert float(line["normalised_length"]) == pytest.approx(np.mean(arrays["ep_norm_lens"]), rel=1e-12)


def test_figure_6_divides_by_the_expert_and_knows_what_was_held_out(many, drawn):
    data = {line["snippet"]: line for line in lines(drawn["many"][0] / "figure_6.csv")}
    policy = np.load(many.policies[0])
    assert set(data) == set(many.snippets)
    for index, (snippet, expert) in enumerate(zip(many.snippets, many.experts, strict=True)):
        ours = policy["ep_norm_rews"][policy["snippet"] == index].mean()
        theirs = np.load(expert)["ep_norm_rews"].mean()
        assert float(data[snippet]["relative_reward"]) == pytest.approx(ours / theirs, rel=1e-12)
        assert data[snippet]["set"] == ("training" if snippet in many.trained_on else "validation")
    assert sum(line["set"] == "validation" for line in data.values()) == 12


def test_figure_7_averages_seeds_where_all_have_data(tmp_path):
    """Two runs of y = x / 1000 and y = x / 1000 + 2, logged at other steps; the mean is x / 1000 + 1."""
    runs = []
    for seed, (steps, shift) in enumerate([([1000, 3000, 5000, 7000], 0), ([2000, 4000, 6000], 2)]):
        path = tmp_path / f"{seed}.csv"
        rows = "".join(f"{step},{step / 1000 + shift},9,1\n" for step in steps)
        path.write_text(f"steps,return,length,episodes\n500,,,0\n{rows}")
        runs.append(TransferRun("go_to_target", "none", str(seed), path))
    steps, mean, std = figure_7.mean_curve(runs)
    np.testing.assert_array_equal(steps, [3000, 5000])
    np.testing.assert_allclose(mean, [4, 6])
    np.testing.assert_allclose(std, [1, 1])


def test_figure_7_does_without_ended_episodes(tmp_path):
    path = tmp_path / "go_to_target/none/0/progress.csv"
    path.parent.mkdir(parents=True)
    path.write_text("steps,return,length,episodes\n500,,,0\n")
    figure_7.draw([path], tmp_path / "figure_7")
    assert lines(tmp_path / "figure_7.csv") == []


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
    assert len(boxes) > 5
    width, height = canvas.get_width_height()
    for text, box in boxes.values():
        assert box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1, text
    for (first, a), (second, b) in itertools.combinations(boxes.values(), 2):
        overlap = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(overlap) < 1, f"{first!r} and {second!r} overlap by {overlap} pixels"
