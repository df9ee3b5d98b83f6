"""The command line: what it prints, writes and exits with."""

import hashlib
import subprocess
import sys

import imageio_ffmpeg
import pytest

from mocapact_core.cli import main
from mocapact_core.clips.acknowledgement import CMU_ACKNOWLEDGEMENT
from mocapact_core.figures import videos
from mocapact_core.files import read_json
from mocapact_core.humanoid import render
from mocapact_core.policies.expert import Expert
from mocapact_core.policies.files import save_policy
from mocapact_core.policies.npmp import NPMP
from tests.clips.acclaim import write_amc, write_asf
from tests.policies.published import write_published

PUBLISHED_SNIPPETS = "c310700d39b6f94cea15d90644a26bb59e17ed5c26b8d317bc2e194f7dd37451"
COMMANDS = (
    "snippets",
    "import-amc",
    "download",
    "train",
    "evaluate",
    "rollout",
    "evaluate-policy",
    "metrics",
    "export-minari",
    "import-minari",
    "validate",
    "replay",
    "restore",
    "render",
    "view",
    "schema",
)


def fails(capsys, *arguments: str) -> str:
    """The message on stderr of a command that ends with exit code 1."""
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, "one paragraph"
    return captured.err


def test_snippets_of_cmu_are_the_published_ones(capsys):
    assert main(["snippets", "--source", "cmu2020"]) == 0
    names = capsys.readouterr().out
    assert (
        hashlib.sha256("".join(sorted(names.splitlines(keepends=True))).encode()).hexdigest()
        == PUBLISHED_SNIPPETS
    )


@pytest.mark.parametrize(
    ("subset", "count"),
    [("val", 264), ("train", 2325), ("locomotion", 552), ("CMU_009_12,CMU_016_22-0-82", 4)],
)
def test_snippets_of_a_subset(capsys, subset, count):
    assert main(["snippets", "--source", "cmu2020", "--subset", subset]) == 0
    assert len(capsys.readouterr().out.splitlines()) == count


def test_settings_come_from_files_and_options(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("clips: {subset: [wave], max_snippet_steps: 60}\n")
    assert main(["snippets", "--configfile", str(tmp_path / "mine.yaml")]) == 0
    assert all(name.startswith("wave-") for name in capsys.readouterr().out.split())
    assert (
        main(["snippets", "--configfile", str(tmp_path / "mine.yaml"), "--set", "clips.subset=[stand]"]) == 0
    )
    assert all(name.startswith("stand-") for name in capsys.readouterr().out.split())


def test_bad_input_is_one_message_and_exit_code_1(capsys, tmp_path):
    assert "wave" in fails(capsys, "snippets", "--subset", "wawe")
    assert "nowhere.yaml" in fails(capsys, "snippets", "--configfile", "nowhere.yaml")
    assert "total_steps" in fails(capsys, "train", "stand-0-80", "--set", "experts.total_step=3")
    assert "has no value" in fails(capsys, "train", "stand-0-80", "--set", "seed")
    assert "not valid YAML" in fails(capsys, "train", "stand-0-80", "--set", "experts.hidden=[8")
    assert "CMU_009_11" in fails(capsys, "train", "CMU_009_13-0-10", "--source", "cmu2020")
    assert "clips.path" in fails(capsys, "snippets", "--source", "amc")
    assert "gone.amc" in fails(capsys, "import-amc", str(tmp_path / "gone.amc"))


def test_a_place_that_cannot_be_written_is_named(capsys, tmp_path):
    (tmp_path / "file").touch()
    message = fails(capsys, "train", "stand", "--set", f"results={tmp_path}/file/results")
    assert f"{tmp_path}/file" in message
    assert "Not a directory" in message


def test_an_expert_that_is_not_there_is_named(capsys, tmp_path):
    results = f"results={tmp_path}"
    folder = f"{tmp_path}/experts/stand-0-80"
    assert folder in fails(capsys, "evaluate", folder, "--set", results)
    assert folder in fails(capsys, "render", folder, f"{tmp_path}/video.mp4", "--set", results)
    assert not (tmp_path / "video.mp4").exists()
    assert "stand-0-80" in fails(capsys, "rollout", "stand", "--set", results)


def test_only_one_snippet_or_expert_is_viewed(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("mocapact_core.viewer.check_display", lambda: None)
    message = fails(capsys, "view", "--reference", "stand", "--set", "clips.max_snippet_steps=60")
    assert "2 snippets" in message
    assert "stand-0-" in message
    assert f"no expert at {tmp_path}" in fails(capsys, "view", str(tmp_path))


def test_commands_that_bring_cmu_motion_acknowledge_it(capsys, tmp_path):
    write_asf(tmp_path / "one.asf")
    write_amc(tmp_path / "one.amc", 30)
    assert main(["import-amc", str(tmp_path / "one.amc"), "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}/one.h5: 5 steps\n"
    assert CMU_ACKNOWLEDGEMENT in err


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["train"], ["snippets", "--subsets", "val"]])
def test_wrong_usage_is_exit_code_2(capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_names_every_command_and_explains_every_option(capsys):
    def text(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--help"])
        assert end.value.code == 0
        return capsys.readouterr().out

    overview = text()
    for command in COMMANDS:
        assert command in overview
        options = text(command).split("options:")[1]
        for line in options.splitlines():
            if line.startswith("  -") and len(line.split()) == 2:  # the explanation stands in the next line
                following = options.split(line)[1].splitlines()[1]
                assert following.startswith("       "), f"{command}: {line} has no explanation"


def test_the_module_runs_and_survives_a_closed_pipe():
    command = f"{sys.executable} -m mocapact_core snippets --source cmu2020 | head -n 1"
    run = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, "CMU_001_01-0-178\n", "")


def test_render_makes_a_video(capsys, tmp_path):
    if not render.available():
        pytest.skip("no OpenGL here")
    settings = ["--set", f"results={tmp_path}"]
    tiny = ["--set", "experts={total_steps: 0, warm_start: none, hidden: [8]}"]
    assert main(["train", "stand-0-80", *settings, *tiny]) == 0
    capsys.readouterr()
    assert main(["render", f"{tmp_path}/experts/stand-0-80", f"{tmp_path}/stand.mp4", *settings]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/stand.mp4\n"
    frames = imageio_ffmpeg.read_frames(f"{tmp_path}/stand.mp4")
    assert next(frames)["size"] == (videos.WIDTH, videos.HEIGHT)


def test_stages_write_where_the_workflow_does(capsys, tmp_path):
    tiny = [
        "--set",
        f"results={tmp_path}",
        "--set",
        "experts={total_steps: 0, warm_start: none, hidden: [8]}",
    ]
    tiny += ["--set", "evaluation={rsi_episodes: 2, start_episodes: 1}"]
    tiny += ["--set", "rollouts={start_rollouts: 1, rsi_rollouts: 1}"]
    assert main(["train", "stand-0-80", *tiny]) == 0
    assert main(["evaluate", f"{tmp_path}/experts/stand-0-80", *tiny]) == 0
    assert main(["rollout", "stand", *tiny]) == 0
    assert main(["metrics", f"{tmp_path}/rollouts/stand.hdf5", "--output", f"{tmp_path}/rollouts"]) == 0
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {
        "clips/stand.h5",
        "experts/stand-0-80/clip_info.json",
        "experts/stand-0-80/eval_rsi/model/best_model.zip",
        "experts/stand-0-80/eval_rsi/model/vecnormalize.pkl",
        "experts/stand-0-80/evaluation.json",
        "rollouts/stand.hdf5",
        "rollouts/metrics/stand.npz",
        "rollouts/metrics.npz",
        "rollouts/dataset_metrics.npz",
    } <= files


def test_policies_are_evaluated_on_the_clips_of_the_settings(capsys, tmp_path):
    folders = [str(tmp_path / "distillation" / name / "0") for name in ("a", "b")]
    for folder in folders:
        save_policy(NPMP(intention=2, encoder=[4], decoder=[4]), folder)
    settings = f"{{results: {tmp_path}, clips: {{subset: [stand-0-80, wave-0-90]}}, seed: 4, distillation: "
    settings += "{evaluation_episodes: 2, workers: 2, threads: 1}}"
    (tmp_path / "mine.yaml").write_text(settings)
    configuration = ("--configfile", str(tmp_path / "mine.yaml"))
    assert main(["evaluate-policy", *folders, *configuration]) == 0
    header, *lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[:3] for line in lines] == [
        [folder, of, protocol]
        for folder in folders
        for of in ("snippets", "clips")
        for protocol in ("rsi", "start")
    ]
    for line in lines:
        cells = dict(zip(header, line, strict=True))
        evaluation = read_json(f"{cells['policy']}/evaluation.json")
        measured = evaluation[cells["of"]][cells["protocol"]]
        assert (cells["episodes"], evaluation["provenance"]["seed"]) == ("2", 4)
        assert float(cells["mpjpe_high"]) == pytest.approx(measured["mpjpe"]["high"], rel=1e-5)
    assert "no policy in" in fails(capsys, "evaluate-policy", f"{tmp_path}/c", *configuration)


def test_train_takes_from_a_zoo_what_it_has(capsys, tmp_path):
    write_published(tmp_path / "zoo" / "stand-0-80", ("stand", 0, 80))
    options = [
        "--set",
        f"results={tmp_path}/results",
        "--set",
        f"experts={{source: zoo, zoo: {tmp_path}/zoo}}",
    ]
    assert main(["train", "stand-0-80", *options]) == 0
    folder = f"{tmp_path}/results/experts/stand-0-80"
    assert capsys.readouterr().out == f"{folder}\n"
    assert Expert.load(folder).data.sizes("policy") == [206, 8, 8, 8, 56]
    assert main(["train", "wave-0-90", *options]) == 1
    assert "none of the 1 experts that are asked for, such as wave-0-90" in capsys.readouterr().err
