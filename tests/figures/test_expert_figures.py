"""Figures of experts, clips and snippets (3, 4, 10, 12 to 14), and the scatter plot of a policy like theirs (17)."""

import numpy as np
import pytest
from PIL import Image

from mocapact_core.errors import InputError
from mocapact_core.figures import figure_4
from mocapact_core.figures.scatter import fit
from tests.figures.conftest import lines


def test_figure_3_has_the_mean_of_each_expert(few, drawn):
    data = lines(drawn["few"][0] / "figure_3.csv")
    assert [line["snippet"] for line in data] == few.snippets
    for line, path in zip(data, few.experts, strict=True):
        arrays = np.load(path)
        assert float(line["normalized_reward"]) == pytest.approx(np.mean(arrays["ep_norm_rews"]), rel=1e-12)
        assert float(line["normalized_length"]) == pytest.approx(np.mean(arrays["ep_norm_lens"]), rel=1e-12)


def test_figure_4_shows_each_row_of_poses_as_it_was_rendered(few, drawn):
    folder, pages = drawn["few"]
    for axis, strip in zip(pages["figure_4"].axes, few.strips, strict=True):
        np.testing.assert_array_equal(axis.images[0].get_array(), np.asarray(Image.open(strip)))
    for line, path in zip(lines(folder / "figure_4.csv"), few.evaluations("start")[:3], strict=True):
        assert line["snippet"] == path.parts[-3]
        assert float(line["normalized_reward"]) == pytest.approx(np.load(path)["ep_norm_rews"].mean())
    with pytest.raises(InputError, match=r"figures\.figure_4"):
        figure_4.draw([], [], folder / "none")


def test_figure_10_has_the_lengths_of_the_run_beside_those_of_the_paper(few, drawn):
    folder, pages = drawn["few"]
    data = {(line["kind"], line["name"]): int(line["steps"]) for line in lines(folder / "figure_10.csv")}
    for index, snippet in enumerate(few.snippets):
        assert data["snippet", snippet] == 100 + index
        assert data["clip", snippet.split("-")[0]] == 300 + 40 * index
    assert len(data) == 2 * len(few.snippets)
    clips, snippets = (axis.lines for axis in pages["figure_10"].axes[:2])
    ranges = [
        [max(line.get_xdata()) for line in of if len(line.get_xdata()) == 2] for of in (clips, snippets)
    ]
    assert 6371 * 0.03 in ranges[0]  # paper, appendix B.1.1
    assert max(ranges[1]) == pytest.approx(257 * 0.03)  # a clip of the Get Up subset, not divided


@pytest.mark.parametrize("number", [12, 14, 17])
def test_scatter_plots_have_each_snippet_its_length_and_a_fit(number, many, drawn):
    folder, pages = drawn["many"]
    data = lines(folder / f"figure_{number}.csv")
    assert [line["snippet"] for line in data] == many.snippets
    seconds = [float(line["seconds"]) for line in data]
    assert seconds == pytest.approx([(100 + index % 90) * 0.03 for index in range(60)])
    terms = np.stack([np.ones(60), seconds, np.square(seconds)], axis=1)
    for key, name, axis in (("ep_norm_rews", "reward", 0), ("ep_norm_lens", "length", 1)):
        values = np.array([float(line[f"normalized_{name}"]) for line in data])
        if number != 17:
            files = many.evaluations("rsi" if number == 12 else "rsi_noisy")
            np.testing.assert_allclose(values, [np.load(path)[key].mean() for path in files])
        coefficients, *_ = np.linalg.lstsq(terms, values, rcond=None)
        fitted = [float(line[f"fitted_{name}"]) for line in data]
        np.testing.assert_allclose(fitted, terms @ coefficients, rtol=1e-9)
        shown = pages[f"figure_{number}"].axes[axis].lines[0].get_xydata()
        np.testing.assert_allclose(shown, np.stack([seconds, values], axis=1))


def test_a_few_lengths_get_no_fit(drawn):
    assert fit(np.array([1.0, 2, 3, 4, 5, 5]), np.arange(6.0)) is None
    assert {line["fitted_reward"] for line in lines(drawn["few"][0] / "figure_12.csv")} == {""}


def test_figure_13_divides_noisy_by_deterministic_rewards(many, drawn):
    for line, path in zip(lines(drawn["many"][0] / "figure_13.csv"), many.experts, strict=True):
        noisy = np.load(path.with_name("rsi_noisy.npz"))["ep_norm_rews"].mean()
        assert line["snippet"] == path.parts[-3]
        assert float(line["normalized_reward"]) == pytest.approx(noisy)
        assert float(line["relative_reward"]) == pytest.approx(noisy / np.load(path)["ep_norm_rews"].mean())
