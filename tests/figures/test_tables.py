"""Tables: the statistics of the results, beside the paper's."""

import json
import re
import statistics

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from mocapact_core.errors import InputError
from mocapact_core.figures import figure_17, table_1, table_2, table_3
from tests.figures.conftest import lines


def of_run(path, **where) -> dict[str, str]:
    [line] = [
        line
        for line in lines(path)
        if line["origin"] == "this run" and all(line[key] == value for key, value in where.items())
    ]
    return line


def assert_summary(line: dict[str, str], values: list[float]) -> None:
    """Against Python's own statistics."""
    assert float(line["mean"]) == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert float(line["std"]) == pytest.approx(statistics.pstdev(values), rel=1e-12)
    assert float(line["median"]) == pytest.approx(statistics.median(values), rel=1e-12)
    assert (float(line["minimum"]), float(line["maximum"])) == pytest.approx((min(values), max(values)))


@pytest.mark.parametrize("size", ["few", "many"])
@pytest.mark.parametrize(("name", "protocol"), [("table_1", "rsi"), ("table_9", "rsi_noisy")])
def test_tables_1_and_9_summarise_the_means_of_the_snippets(size, name, protocol, drawn, request):
    results = request.getfixturevalue(size)
    path = drawn[size][0] / f"{name}.csv"
    for quantity, key in (("reward", "ep_norm_rews"), ("length", "ep_norm_lens")):
        means = [statistics.fmean(np.load(expert)[key].tolist()) for expert in results.evaluations(protocol)]
        line = of_run(path, quantity=f"Average normalized episode {quantity}")
        assert_summary(line, means)
        assert int(line["snippets"]) == len(means)


def test_table_2_takes_the_mean_over_snippets_and_the_spread_over_seeds(many, drawn):
    def mean_over_snippets(path, key):
        arrays = np.load(path)
        by_snippet: dict[int, list[float]] = {}
        at_random = ~arrays["from_start"]
        episodes = zip(arrays["snippet"][at_random].tolist(), arrays[key][at_random].tolist(), strict=True)
        for snippet, value in episodes:
            by_snippet.setdefault(snippet, []).append(value)
        return statistics.fmean(statistics.fmean(values) for values in by_snippet.values())

    path = drawn["many"][0] / "table_2.csv"
    for quantity, key in (("reward", "ep_norm_rews"), ("length", "ep_norm_lens")):
        seeds = [mean_over_snippets(policy, key) for policy in many.policies if policy.parts[-3] != "bc"]
        line = of_run(path, weighting="rwr", quantity=f"Average normalized episode {quantity}")
        assert float(line["mean"]) == pytest.approx(statistics.fmean(seeds), rel=1e-12)
        assert float(line["std"]) == pytest.approx(statistics.pstdev(seeds), rel=1e-12)
        assert line["seeds"] == "3"
        interval = ttest_1samp(seeds, 0).confidence_interval(0.95)
        assert float(line["low"]) == pytest.approx(interval.low, rel=1e-9)
        assert float(line["high"]) == pytest.approx(interval.high, rel=1e-9)
        alone = of_run(path, weighting="bc", quantity=f"Average normalized episode {quantity}")
        assert float(alone["mean"]) == pytest.approx(mean_over_snippets(many.policies[-1], key), rel=1e-12)
        assert alone["std"] == alone["low"] == ""  # one policy has no spread


def test_table_2_leaves_episodes_from_the_start_and_absent_weightings_out(few, tmp_path):
    arrays = dict(np.load(few.policies[0]))
    doubled = {
        name: np.concatenate([values, values]) for name, values in arrays.items() if name != "snippets"
    }
    n = len(arrays["snippet"])
    doubled["ep_norm_rews"][n:] = 1e6
    doubled["from_start"][n:] = True
    path = tmp_path / "rwr/0/evaluation.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, snippets=arrays["snippets"], **doubled)

    table_2.draw([few.policies[0]], few.weightings, tmp_path / "without")
    table_2.draw([path], few.weightings, tmp_path / "with")
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()
    assert {line["weighting"] for line in lines(tmp_path / "with.csv") if line["origin"] == "this run"} == {
        "rwr"
    }


def test_table_3_takes_mean_and_spread_over_seeds(many, drawn):
    path = drawn["many"][0] / "table_3.csv"
    for task in ("go_to_target", "velocity_control"):
        for low_level in ("general", "locomotion", "none", "larger"):
            returns = [
                json.loads(file.read_text())["mean_return"]
                for file in many.transfers
                if f"{task}/{low_level}/" in str(file)
            ]
            assert len(returns) == 3
            line = of_run(path, task=task, low_level=low_level)
            assert float(line["mean"]) == pytest.approx(statistics.fmean(returns), rel=1e-12)
            assert float(line["std"]) == pytest.approx(statistics.pstdev(returns), rel=1e-12)


def test_table_4_is_in_seconds_and_in_lengths_of_the_snippet(many, drawn):
    arrays = np.load(many.completion)
    names = [arrays["snippets"][index] for index in arrays["snippet"]]
    starts_and_ends = [map(int, name.split("-")[1:]) for name in names]
    relative = [
        length / (end - start)
        for length, (start, end) in zip(arrays["lengths"].tolist(), starts_and_ends, strict=True)
    ]
    path = drawn["many"][0] / "table_4.csv"
    seconds = [length * 0.03 for length in arrays["lengths"].tolist()]
    assert_summary(of_run(path, quantity="Episode length (seconds)"), seconds)
    assert_summary(of_run(path, quantity="Relative episode length"), relative)


def cells(text: str, pattern: str) -> list[str]:
    return [cell.strip() for cell in re.findall(pattern, text)]


@pytest.mark.parametrize("name", ["table_1", "table_2", "table_3", "table_4", "table_9"])
def test_the_page_for_the_report_shows_what_the_markdown_shows(name, drawn):
    folder = drawn["many"][0]
    rows = [line for line in (folder / f"{name}.md").read_text().splitlines() if line.startswith("|")]
    markdown = [cell.strip() for row in [rows[0], *rows[2:]] for cell in row.strip("|").split("|")]
    assert cells((folder / f"{name}.html").read_text(), r"<t[hd]>(.*?)</t[hd]>") == markdown


def test_published_values_stand_beside_ours_as_the_paper_prints_them(drawn):
    folder = drawn["few"][0]
    assert "| paper | 2589 | 0.816 | 0.153 | 0.777 | 0.217 | 1.233 |" in (folder / "table_1.md").read_text()
    assert "| paper | 2589 | 0.689 | 0.092 | 0.690 | 0.179 | 0.876 |" in (folder / "table_9.md").read_text()
    assert (
        "0.654 ± 0.005 | 0.671 ± 0.003 | 0.661 ± 0.003 | 0.688 ± 0.002" in (folder / "table_2.md").read_text()
    )
    assert "96.3 ± 2.8 | 66.1 ± 32.8 | 7.5 ± 1.1" in (folder / "table_3.md").read_text()
    assert "1074 ± 55 | 884 ± 81 | 1157 ± 89" in (folder / "table_3.md").read_text()
    assert "5.47 | 3.47 | 4.38 | 0.23 | 15.00" in (folder / "table_4.md").read_text()


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"figures\.names"):
        table_3.draw([], tmp_path / "table")
    with pytest.raises(InputError, match=r"distillation\.policies"):
        table_2.draw([], {}, tmp_path / "table")


def test_a_damaged_or_foreign_file_is_named(few, tmp_path):
    path = tmp_path / "evaluation.npz"
    with pytest.raises(InputError, match=r"no file .*evaluation\.npz"):
        figure_17.draw(path, tmp_path / "figure")
    content = few.policies[0].read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"evaluation\.npz cannot be read"):
        figure_17.draw(path, tmp_path / "figure")
    np.savez(path, ep_rews=np.ones(3))
    with pytest.raises(InputError, match=r"evaluation\.npz has no snippets, snippet, .*; it has ep_rews"):
        figure_17.draw(path, tmp_path / "figure")
    assert not list(tmp_path.glob("figure*"))


def test_a_damaged_or_foreign_table_of_experts_is_named(few, tmp_path):
    path = tmp_path / "evaluation.csv"
    with pytest.raises(InputError, match=r"no file .*evaluation\.csv.*`evaluation`"):
        table_1.draw(path, tmp_path / "table")
    header, first, *_ = (few.folder / "experts/evaluation.csv").read_text().splitlines()
    for content in ("snippet,reward\na-0-9,1\n", f"{header}\n{first[: len(first) // 3]}\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"evaluation\.csv is no table of expert evaluations"):
            table_1.draw(path, tmp_path / "table")
    path.write_text(f"{header}\n")
    with pytest.raises(InputError, match=r"no expert evaluated by the protocol rsi"):
        table_1.draw(path, tmp_path / "table")
    assert not list(tmp_path.glob("table*"))
