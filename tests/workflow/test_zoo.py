"""A zoo in place of training, and experts as the start of training, snippet by snippet."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mocapact_core.policies.expert import Expert
from mocapact_core.policies.folder import CLIP_INFO, DESCRIPTION, MODEL, NORMALIZER
from tests.policies.published import act, write_published
from tests.workflow.test_reruns import after_training

ROOT = Path(__file__).parents[2]
ZOO = "experts: {source: zoo, zoo: zoo}"


def put(folder: Path, text: str = "an expert") -> Path:
    """An expert as far as planning looks at it."""
    for part in (CLIP_INFO, MODEL, NORMALIZER):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (folder / part).write_text(text)
    return folder


def test_a_zoo_stands_in_for_training_where_it_has_an_expert(workflow):
    put(workflow.root / "zoo/experts_1/wave/wave-0-90")
    run = workflow.snakemake("--dry-run", "experts", settings=ZOO)
    assert "experts.zoo has 1 of 2 experts. Trained are stand-0-80." in run.stdout + run.stderr
    assert workflow.planned(settings=ZOO) == {"import_expert wave-0-90"} | after_training("wave-0-90")
    (workflow.root / "results/experts/stand-0-80/eval_rsi/model/best_model.zip").unlink()
    assert workflow.planned("experts", settings=ZOO) == {"import_expert wave-0-90", "train_expert stand-0-80"}


def test_a_changed_zoo_reruns_the_snippets_that_changed(workflow):
    folders = [put(workflow.root / "zoo" / name) for name in ("stand-0-80", "wave-0-90")]
    run = workflow.snakemake("--cores", "1", "all", settings=ZOO)
    assert run.returncode == 0, run.stderr
    assert workflow.planned(settings=ZOO) == set()
    put(folders[0])  # touched
    assert workflow.planned(settings=ZOO) == set()
    put(folders[1], "a better expert")
    followed = after_training("wave-0-90") - {"figure_11"}  # of trainings, and there was none
    assert workflow.planned(settings=ZOO) == {"import_expert wave-0-90"} | followed
    shutil.rmtree(folders[1])
    assert workflow.planned("experts", settings=ZOO) == {"train_expert wave-0-90"}


def test_where_a_zoo_is_changes_no_training(workflow):
    """As long as `source` does not ask for it."""
    assert workflow.planned(settings="experts: {zoo: elsewhere}") == set()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("experts: {source: zoo}", ["experts.zoo does not say where"]),
        ("experts: {source: zoo, zoo: nowhere}", ["experts.zoo: nowhere cannot be read"]),
        ("experts: {source: zoo, zoo: zoo}", ["vecnormalize.pkl", "wave-0-90 is not whole"]),
        ("experts: {warm_start: sampled}", ["experts.warm_start is 'sampled'", "sampling"]),
        ("experts: {warm_start: zoo/}", ["experts.warm_start", "wave-0-90 is not whole"]),
    ],
)
def test_a_zoo_that_cannot_be_used_ends_it_before_any_job(workflow, settings, words):
    (put(workflow.root / "zoo/wave-0-90") / NORMALIZER).unlink()
    run = workflow.snakemake("--dry-run", settings=settings)
    assert run.returncode == 1
    assert all(word in run.stdout + run.stderr for word in words), run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr


def test_a_training_follows_the_expert_that_it_starts_from(workflow):
    start = put(workflow.root / "first" / "expert")
    settings = "experts: {warm_start: first/expert}"
    training = {"train_expert stand-0-80", "train_expert wave-0-90"}
    assert workflow.planned("experts", settings=settings) == training
    run = workflow.snakemake("--cores", "1", "experts", settings=settings)
    assert run.returncode == 0, run.stderr
    assert workflow.planned("experts", settings=settings) == set()
    put(start, "another expert")
    assert workflow.planned("experts", settings=settings) == training


def test_a_published_expert_through_the_real_workflow(tmp_path):
    """Imported and evaluated by the rules and scripts as they are, and nothing is trained."""
    weights, normalizer = write_published(tmp_path / "zoo/stand/stand-0-80", ("stand", 0, 80))
    shutil.copy(ROOT / "config.yaml", tmp_path)
    (tmp_path / "zoo.yaml").write_text(
        "clips: {subset: [stand]}\nevaluation: {rsi_episodes: 2, start_episodes: 1}\n" + ZOO
    )
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["experts", "evaluation", "--configfile", "zoo.yaml"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    expert = Expert.load(tmp_path / "results/experts/stand-0-80")
    x = np.random.default_rng(0).normal(size=(3, 206)).astype(np.float32)
    np.testing.assert_allclose(expert.predict(x)[0], act(weights, normalizer, x), atol=1e-5)
    made = {path.name for path in (tmp_path / "results/experts/stand-0-80").iterdir()}
    assert {"clip_info.json", "evaluation.json", DESCRIPTION.name} <= made
    assert "progress.csv" not in made
