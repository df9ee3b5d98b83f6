"""What stands between Snakemake and the library."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from mocapact_core.config import Config
from mocapact_core.errors import InputError
from mocapact_core.interruption import interruptible
from mocapact_core.job import job, setting_values


def snakemake(tmp_path, settings: str = "{}"):
    return SimpleNamespace(
        log=[str(tmp_path / "log")], output=[], params={"settings": settings}, rule="train_expert"
    )


def test_selected_settings_arrive_in_the_script(tmp_path):
    config = Config.model_validate({"seed": 7, "experts": {"total_steps": 5, "hidden": [3]}})
    text = setting_values(config, "seed", "experts")
    assert set(json.loads(text)) == {"seed", "experts"}
    with job(snakemake(tmp_path, text)) as settings:
        assert settings.seed == 7
        assert settings.experts == config.experts


def test_only_what_is_selected_makes_the_text():
    one = Config.model_validate({"transfer": {"seeds": [0]}})
    other = Config.model_validate({"transfer": {"seeds": [0, 1]}})
    names = ("distillation.policies.rwr", "transfer.total_steps", "transfer.low_level.none")
    assert setting_values(one, *names) == setting_values(other, *names)
    assert setting_values(one, "transfer") != setting_values(other, "transfer")


def test_a_setting_that_is_not_selected_cannot_be_read(tmp_path):
    text = setting_values(Config(), "transfer.gamma", "transfer.low_level.none")
    with job(snakemake(tmp_path, text)) as settings:
        assert settings.transfer.gamma == 0.99
        assert settings.transfer.low_level["none"].max_action == 1
        assert settings.transfer.model_dump(exclude={"low_level"}) == {"gamma": 0.99}
        with pytest.raises(AttributeError, match="seeds"):
            _ = settings.transfer.seeds
        with pytest.raises(AttributeError, match="experts"):
            _ = settings.experts


def test_prints_go_to_the_log(tmp_path, capsys):
    with job(snakemake(tmp_path)):
        print("an update")
        print("a warning", file=sys.stderr)
    assert (tmp_path / "log").read_text() == "an update\na warning\n"
    assert capsys.readouterr() == ("", "")


def test_bad_input_ends_with_its_message_alone(tmp_path):
    with pytest.raises(SystemExit) as end, job(snakemake(tmp_path)):
        raise InputError("There is no clip foo.")
    assert end.value.code == "There is no clip foo."  # python prints it to stderr and exits with 1
    assert (tmp_path / "log").read_text() == "InputError: There is no clip foo.\n"


def test_an_interrupted_job_says_how_it_goes_on_and_asks_to_be_started_again(tmp_path):
    with pytest.raises(SystemExit) as end, job(snakemake(tmp_path)), interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert end.value.code == 75  # EX_TEMPFAIL
    assert (tmp_path / "log").read_text() == "Stopped by SIGTERM.\n"


def test_settings_that_rerun_nothing_arrive_as_well(tmp_path):
    config = Config.model_validate({"experts": {"total_steps": 5, "wandb": "project"}})
    script = snakemake(tmp_path, setting_values(config, "experts.total_steps"))
    script.params["unrecorded"] = setting_values(config, "experts.wandb")
    with job(script) as settings:
        assert (settings.experts.total_steps, settings.experts.wandb) == (5, "project")
        with pytest.raises(AttributeError, match="hidden"):
            _ = settings.experts.hidden


def test_a_defect_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(ZeroDivisionError), job(snakemake(tmp_path)):
        print(1 / 0)
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()


def test_what_snakemake_loads_is_light():
    """Every SLURM job loads it twice."""
    code = """
import sys
from mocapact_core import fingerprint, job
from mocapact_core.clips import content, snippets, sources
from mocapact_core.settings import ClipSettings
from mocapact_core.humanoid import render

sources.plan(ClipSettings(source="builtin"))
sources.plan(ClipSettings(source="cmu2020"))
heavy = ["torch", "mujoco", "dm_control", "stable_baselines3", "gymnasium", "matplotlib", "scipy", "h5py"]
print([name for name in heavy if name in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
