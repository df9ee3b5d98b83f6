"""All tables and figures, drawn once from invented results."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from mocapact_core.figures import (
    figure_3,
    figure_6,
    figure_7,
    figure_8,
    figure_9,
    table_1,
    table_2,
    table_3,
    table_4,
)
from tests.figures import synthetic

TASKS = ("go_to_target", "velocity_control")


@dataclass(frozen=True)
class Results:
    """Result files of a run, and of some of the snippets, what was trained on."""

    experts: list[Path]
    policies: list[Path]
    weightings: dict[str, str]
    completion: Path
    evaluations: list[Path]
    curves: list[Path]
    snippets: list[str]
    trained_on: list[str]


def make_results(folder: Path, n: int, held_out: int, low_levels: tuple[str, ...], seeds: int) -> Results:
    experts = synthetic.experts(folder, n)
    snippets = [path.parent.parent.name for path in experts]
    policies = [synthetic.policy(folder, f"rwr_{seed}", snippets, seed) for seed in range(seeds)]
    policies.append(synthetic.policy(folder, "bc", snippets, seed=9))
    weightings = {f"rwr_{seed}": "rwr" for seed in range(seeds)} | {"bc": "bc"}
    completion = synthetic.completion(folder, snippets)
    evaluations, curves = synthetic.transfer(folder, TASKS, low_levels, seeds)
    return Results(
        experts, policies, weightings, completion, evaluations, curves, snippets, snippets[held_out:]
    )


def draw_all(results: Results, output: Path) -> list[Path]:
    """Every table and figure into a folder."""
    table_1.draw(results.experts, output / "table_1")
    table_2.draw(results.policies, results.weightings, output / "table_2")
    table_3.draw(results.evaluations, output / "table_3")
    table_4.draw(results.completion, output / "table_4")
    figure_3.draw(results.experts, output / "figure_3")
    figure_6.draw(results.policies[0], results.experts, results.trained_on, output / "figure_6")
    figure_7.draw(results.curves, output / "figure_7")
    figure_8.draw(results.completion, results.trained_on, output / "figure_8")
    figure_9.draw(results.completion, output / "figure_9")
    return sorted(output.iterdir())


@pytest.fixture(scope="session")
def few(tmp_path_factory) -> Results:
    """What the demo makes: five snippets, none held out, one seed."""
    return make_results(tmp_path_factory.mktemp("few"), 5, 0, ("general", "none"), 1)


@pytest.fixture(scope="session")
def many(tmp_path_factory) -> Results:
    """Something of everything, and a low-level policy that the paper does not have."""
    folder = tmp_path_factory.mktemp("many")
    return make_results(folder, 60, 12, ("general", "locomotion", "none", "larger"), 3)


@pytest.fixture(scope="session")
def drawn(few, many, tmp_path_factory) -> dict[str, tuple[Path, dict[str, Figure]]]:
    """For few and many: the folder that all was drawn into, and the matplotlib figures by name."""
    made = {}
    save = Figure.savefig
    for name, results in (("few", few), ("many", many)):
        pages: dict[str, Figure] = {}

        def keep(self, path, *args, pages=pages, **kwargs):
            pages[Path(path).name.split(".")[1]] = self
            save(self, path, *args, **kwargs)

        folder = tmp_path_factory.mktemp(f"drawn_{name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Figure, "savefig", keep)
            draw_all(results, folder)
        made[name] = folder, pages
    return made
