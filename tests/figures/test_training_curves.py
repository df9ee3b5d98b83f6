"""Training curves: of experts (Fig. 11), of multi-clip policies (15, 16) and on the transfer tasks (7)."""

import statistics

import numpy as np
import pytest

from mocapact_core.errors import InputError
from mocapact_core.figures import figure_7, figure_11, figure_16
from mocapact_core.figures.curves import mean_curve
from mocapact_core.figures.inputs import training_curve
from tests.figures.conftest import lines


def test_figure_7_averages_seeds_where_all_have_data(tmp_path):
    """Two runs of y = x / 1000 and y = x / 1000 + 2, logged at other steps; the mean is x / 1000 + 1."""
    curves = []
    for seed, (steps, shift) in enumerate([([1000, 3000, 5000, 7000], 0), ([2000, 4000, 6000], 2)]):
        path = tmp_path / f"{seed}.csv"
        rows = "".join(f"{step},{step / 1000 + shift},9,1\n" for step in steps)
        path.write_text(f"steps,return,length,episodes\n500,,,0\n{rows}")
        curves.append(training_curve(path, "steps", "return"))
    mean = mean_curve(curves)
    np.testing.assert_array_equal(mean.steps, [3000, 5000])
    np.testing.assert_allclose(mean.mean, [4, 6])
    np.testing.assert_allclose(mean.std, [1, 1])


def test_figure_7_does_without_ended_episodes(tmp_path):
    path = tmp_path / "go_to_target/none/0/progress.csv"
    path.parent.mkdir(parents=True)
    path.write_text("steps,return,length,episodes\n500,,,0\n")
    figure_7.draw([path], tmp_path / "figure_7")
    assert lines(tmp_path / "figure_7.csv") == []


def test_figure_11_has_quantiles_over_experts_of_which_some_end_early(many, drawn):
    data = {
        (line["measure"], int(float(line["steps"])), float(line["quantile"])): float(line["value"])
        for line in lines(drawn["many"][0] / "figure_11.csv")
    }
    steps = [0, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    for measure in ("normalized_reward", "normalized_length"):
        for index, step in enumerate(steps):
            values = []
            for path in many.progress:
                rows = lines(path)
                values.append(float(rows[min(index, len(rows) - 1)][measure]))
            for tenth, value in enumerate(
                [min(values), *statistics.quantiles(values, n=10, method="inclusive")]
            ):
                assert data[measure, step, tenth / 10] == pytest.approx(value, abs=1e-12)
            assert data[measure, step, 1.0] == max(values)
    assert len(data) == 2 * 6 * 11


def test_figure_11_says_how_many_experts_were_not_trained(few, tmp_path):
    figure_11.draw(few.progress[:2], 5, tmp_path / "some")
    figure_11.draw([], 5, tmp_path / "none")
    assert len(lines(tmp_path / "some.csv")) == 2 * 6 * 11
    assert lines(tmp_path / "none.csv") == []
    assert (tmp_path / "none.png").stat().st_size > 0


def test_figure_15_averages_the_seeds_of_a_weighting(many, drawn):
    data = lines(drawn["many"][0] / "figure_15.csv")
    for weighting, paths in (("rwr", many.curves[:3]), ("bc", many.curves[3:])):
        for name in ("reward", "length"):
            of = [
                line
                for line in data
                if (line["weighting"], line["quantity"].split()[-1]) == (weighting, name)
            ]
            values = [[float(row[f"normalized_{name}"]) for row in lines(path)] for path in paths]
            assert [float(line["step"]) for line in of] == list(range(5000, 55000, 5000))
            assert [float(line["mean"]) for line in of] == pytest.approx(
                [*map(statistics.fmean, zip(*values, strict=True))]
            )
            assert [float(line["std"]) for line in of] == pytest.approx(
                [*map(statistics.pstdev, zip(*values, strict=True))]
            )
            assert {int(line["seeds"]) for line in of} == {len(paths)}


def test_figure_16_compares_finished_policies_with_the_smallest_alpha(many, drawn):
    summary = {
        (line["alpha"], line["origin"]): line for line in lines(drawn["many"][0] / "figure_16_summary.csv")
    }

    def reward(path):
        arrays = np.load(path)
        episodes = ~arrays["from_start"]
        of = [arrays["ep_norm_rews"][episodes & (arrays["snippet"] == index)].mean() for index in range(60)]
        return np.mean(of)

    plain, other = np.mean([*map(reward, many.policies[:3])]), reward(many.policies[3])
    assert float(summary["0.0", "this run"]["normalized_reward"]) == pytest.approx(plain)
    assert float(summary["0.0", "this run"]["reward_gain"]) == 0
    assert float(summary["0.95", "this run"]["reward_gain"]) == pytest.approx(other / plain - 1)
    assert summary["0.95", "paper"]["reward_gain"] == "0.03"
    curves = {line["alpha"]: line["seeds"] for line in lines(drawn["many"][0] / "figure_16.csv")}
    assert curves == {"0.0": "3", "0.95": "1"}
    with pytest.raises(InputError, match=r"different alpha.*figures\.figure_16"):
        figure_16.draw(many.curves[:1], many.policies[:1], {"rwr": 0.0}, drawn["many"][0] / "one")
