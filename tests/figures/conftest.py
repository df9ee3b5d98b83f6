"""All tables and figures, drawn once from invented results."""

import csv
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest
from matplotlib.figure import Figure

from mocapact_core.settings import Drawing
from tests.figures import synthetic

TASKS = ("go_to_target", "velocity_control")


@dataclass(frozen=True)
class Results:
    """Result files of a run, and of some of the snippets, what was trained on."""

    folder: Path
    experts: list[Path]
    progress: list[Path]
    policies: list[Path]
    curves: list[Path]
    clips: Path
    weightings: dict[str, str]
    completion: Path
    transfers: list[Path]
    transfer_curves: list[Path]
    snippets: list[str]
    trained_on: list[str]
    strips: list[Path]
    table: Path

    def evaluations(self, protocol: str) -> list[Path]:
        """Of the experts."""
        return [path.with_name(f"{protocol}.npz") for path in self.experts]

    def arguments(self) -> dict[str, dict[str, Any]]:
        """Of `draw` for each table and figure, but the output."""
        experts = self.folder / "experts/evaluation.csv"
        gpt = {"completion": self.completion}
        alphas = {"rwr": 0.0, "bc": 0.95}
        clip_steps = {name.split("-")[0]: 300 + 40 * index for index, name in enumerate(self.snippets)}
        return {
            "table_1": {"experts": experts},
            "table_2": {"policies": self.policies, "weightings": self.weightings},
            "table_3": {"transfers": self.transfers},
            "table_4": gpt,
            "table_9": {"experts": experts},
            "figure_3": {"experts": experts},
            "figure_4": {"strips": self.strips, "experts": self.evaluations("start")[:3]},
            "figure_6": {"policy": self.policies[0], "experts": experts, "trained_on": self.trained_on},
            "figure_7": {"transfers": self.transfer_curves},
            "figure_8": {**gpt, "trained_on": self.trained_on},
            "figure_9": gpt,
            "figure_10": {"table": self.table, "clips": clip_steps},
            "figure_11": {"progress": self.progress, "snippets": len(self.snippets)},
            "figure_12": {"experts": experts},
            "figure_13": {"experts": experts},
            "figure_14": {"experts": experts},
            "figure_15": {"policies": self.curves, "weightings": self.weightings},
            "figure_16": {"policies": self.curves, "evaluations": self.policies, "alphas": alphas},
            "figure_17": {"policy": self.policies[0]},
            "figure_18": {"policy": self.clips},
        }


def make_results(folder: Path, n: int, held_out: int, low_levels: tuple[str, ...], seeds: int) -> Results:
    experts = synthetic.experts(folder, n)
    snippets = [path.parent.parent.name for path in experts]
    policies = [synthetic.policy(folder, f"rwr/{seed}", snippets, seed) for seed in range(seeds)]
    policies.append(synthetic.policy(folder, "bc/0", snippets, seed=9))
    curves = [synthetic.validation(folder, f"rwr/{seed}", 0.69, seed) for seed in range(seeds)]
    curves.append(synthetic.validation(folder, "bc/0", 0.65, seed=9))
    transfers, transfer_curves = synthetic.transfer(folder, TASKS, low_levels, seeds)
    return Results(
        folder=folder,
        experts=experts,
        progress=[path.parents[1] / "progress.csv" for path in experts],
        policies=policies,
        curves=curves,
        clips=synthetic.policy(folder, "rwr/0", synthetic.whole_clips(n), file="evaluation_clips.npz"),
        weightings={"rwr": "rwr", "bc": "bc"},
        completion=synthetic.completion(folder, snippets),
        transfers=transfers,
        transfer_curves=transfer_curves,
        snippets=snippets,
        trained_on=snippets[held_out:],
        strips=synthetic.strips(folder, snippets[:3]),
        table=synthetic.table(folder, snippets),
    )


def draw_all(results: Results, output: Path) -> list[Path]:
    """Every table and figure into a folder."""
    arguments = results.arguments()
    assert set(arguments) == set(get_args(Drawing))
    for name, given in arguments.items():
        import_module(f"mocapact_core.figures.{name}").draw(**given, output=output / name)
    return sorted(output.iterdir())


def lines(path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


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
