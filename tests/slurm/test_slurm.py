"""The workflow on a real SLURM: `snakemake --profile slurm`, as typed from the project's root."""

import json
import time

from tests.workflow.test_zoo import put

CLUSTER = "cluster: {account: motion, partition: cpu, gpu_partition: gpu}\n"
TRAINING = "rule_train_expert_wildcards_"


def test_clips_become_figures(project):
    """What a job asks for comes from the settings, and what it is tells its comment."""
    gpu = ("--set-resources", "evaluate_expert:gres=gpu:1")
    settings = CLUSTER + "clips: {subset: [stand]}"
    run = project.snakemake("table_1", "figure_3", *gpu, settings=settings)
    assert run.returncode == 0, run.stdout + run.stderr
    results = project.root / "results"
    assert "stand-0-80" in (results / "figures/figure_3.csv").read_text()
    assert json.loads((results / "experts/stand-0-80/evaluation.json").read_text())
    rows = project.jobs(fields="%k %T %P %a %C %m %l %b")
    assert rows[:3] == [
        "rule_extract_clip_wildcards_stand COMPLETED cpu motion 1 1000M 10:00 N/A".split(),
        f"{TRAINING}stand-0-80 COMPLETED cpu motion 1 4000M 10:00 N/A".split(),
        "rule_evaluate_expert_wildcards_stand-0-80 COMPLETED gpu motion 1 2000M 30:00 gres:gpu:1".split(),
    ]
    assert rows[3][0] == "rule_gather_evaluations"
    assert sorted(row[0] for row in rows[4:]) == ["rule_figure_3", "rule_table_1"]
    assert not list((project.root / "logs/slurm").rglob("*.log"))  # nothing failed
    again = project.snakemake("table_1", "figure_3", settings=settings)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_jobs_end_in_every_way(project):
    """One fails for good, one lacks memory, one lacks time, one is cancelled: only what follows the first is missing."""
    put(project.root / "zoo/squat-0-90")
    memory = "extract_clip:mem_mb=(100 if wildcards.clip == 'stand' else 700) * attempt**3"
    time_limit = "train_expert:runtime=(1 if wildcards.snippet == 'wave-0-90' else 60) * attempt"
    zoo = "experts: {source: zoo, zoo: zoo}\nclips: {subset: [stand, wave, sway, squat]}"
    project.start("evaluation", "--set-resources", memory, time_limit, settings=zoo)
    project.wait(lambda: "2,048 steps" in project.log("train_expert/sway-0-90"))
    project.cluster.run("scancel", project.jobs(TRAINING + "sway")[-1][0])
    project.wait(lambda: "2,048 steps" in project.log("train_expert/wave-0-90"))
    with project.suspended(TRAINING + "wave-0-90") as job:
        project.wait(lambda: [job, "RUNNING"] not in project.jobs())
    assert project.finish() == 1

    def each(comment, field="%T"):
        return [row[0] for row in project.jobs(comment, field)]

    assert each("rule_import_expert") == ["FAILED"] * 3
    assert "zoo/squat-0-90/clip_info.json" in project.log("import_expert/squat-0-90")
    assert "results/logs/import_expert/squat-0-90.log" in project.output()
    assert each("rule_extract_clip_wildcards_stand") == ["FAILED", "COMPLETED"]
    assert each("rule_extract_clip_wildcards_stand", "%m") == ["100M", "800M"]
    *out_of_time, last = each(TRAINING + "wave")
    assert {*out_of_time} == {"TIMEOUT"} and last == "COMPLETED"
    assert each(TRAINING + "wave", "%l")[:2] == ["1:00", "2:00"]
    assert each(TRAINING + "sway") == ["CANCELLED", "COMPLETED"]
    for snippet in ("wave-0-90", "sway-0-90"):
        assert project.log(f"train_expert/{snippet}").startswith("Going on from ")
    evaluated = {path.parent.name for path in project.root.glob("results/experts/*/evaluation.json")}
    assert evaluated == {"stand-0-80", "wave-0-90", "sway-0-90"}


def test_a_node_dies_and_slurm_is_away(project):
    project.start("results/experts/stand-0-80/progress.csv", settings="clips: {subset: [stand]}")
    project.wait(lambda: "2,048 steps" in project.log("train_expert/stand-0-80"))
    [[_, _, node]] = project.jobs(TRAINING, "%i %T %N")
    project.cluster.control("kill", node)
    project.cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=died")
    project.wait(lambda: project.log("train_expert/stand-0-80").startswith("Going on from "))
    project.cluster.control("stop", "controller")
    project.wait(lambda: "Waiting: SLURM does not answer" in project.output())
    project.wait(lambda: (project.root / "results/experts/stand-0-80/progress.csv").exists())
    time.sleep(5)
    project.cluster.control("up")
    assert project.finish() == 0, project.output()
    assert "SLURM answers again" in project.output()
    [[_, first, node_1], [_, second, node_2]] = project.jobs(TRAINING, "%i %T %N")
    assert (first, second) == ("NODE_FAIL", "COMPLETED")
    assert {node_1, node_2} == {"n1", "n2"}


def test_a_job_that_slurm_forgets_is_done_again(project):
    """As after a crash of slurmctld, which has the last seconds only in its memory."""
    project.start("results/clips/stand.h5", settings="clips: {subset: [stand]}")
    project.wait(lambda: project.jobs("rule_extract_clip"))
    project.cluster.control("kill", "controller")
    project.wait(lambda: "Waiting: SLURM does not answer" in project.output())
    (project.cluster.folder / "state").rename(project.root / "state")
    (project.cluster.folder / "state").mkdir()
    project.cluster.control("up")
    assert project.finish() == 0, project.output()
    assert "SLURM has forgotten it" in project.output()
    assert (project.root / "results/clips/stand.h5").exists()
