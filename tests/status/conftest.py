"""Results of a run that is going on, with something in every state."""

import json
import os
import time
from pathlib import Path

import pytest

from mocapact_core.clips.sources import plan
from mocapact_core.config import Config, parse_config

EVALUATED, TRAINED, TRAINING, STOPPED, FAILED, IMPORTED, *WAITING = (
    f"CMU_016_{take:02d}" for take in (1, 2, 3, 5, 7, 8, 9, 11)
)
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1\nRuntimeError: <b>no</b> & "never"\n'


def put(path: Path, text: str = "", age: float = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)


def expert(folder: Path, reward: float) -> None:
    """An expert whose training was best before its end."""
    for part in ("clip_info.json", "eval_rsi/model/best_model.zip", "eval_rsi/model/vecnormalize.pkl"):
        put(folder / part)
    progress(folder, (0, reward - 0.5), (1000, reward), (2000, reward - 0.25))


def progress(folder: Path, *rows: tuple[int, float]) -> None:
    lines = ["steps,normalized_reward,normalized_length,start_normalized_reward,start_normalized_length"]
    lines += [f"{steps},{reward},{reward + 0.125},0.5,{reward + 0.0625}" for steps, reward in rows]
    put(folder / "progress.csv", "\n".join(lines) + "\n")


@pytest.fixture
def run(tmp_path) -> Config:
    """The settings of the run; its results lie in the folder that they name."""
    folder = tmp_path / "<results>"
    settings = parse_config(
        {
            "results": str(folder),
            "clips": {
                "source": "cmu2020",
                "subset": [EVALUATED, TRAINED, TRAINING, STOPPED, FAILED, IMPORTED, *WAITING],
            },
            "experts": {"total_steps": 4000},
            "distillation": {
                "policies": {
                    "rwr": {"kind": "npmp", "gradient_steps": 400, "seeds": [0, 1]},
                    "gpt": {"kind": "gpt"},
                }
            },
            "transfer": {"tasks": ["go_to_target"], "total_steps": 5000, "seeds": [0, 1]},
        }
    )
    names = {snippet.clip: snippet.name for snippet in plan(settings.clips, settings.tracking).snippets}
    experts, logs, benchmarks = folder / "experts", folder / "logs", folder / "benchmarks"

    expert(experts / names[EVALUATED], 0.75)
    rsi = {"normalized_reward": {"mean": 0.875}, "normalized_length": {"mean": 1.0}}
    start = {"normalized_reward": {"mean": 0.25}, "normalized_length": {"mean": 0.9375}}
    evaluation = {"protocols": {"rsi": rsi, "start": start}}
    put(experts / names[EVALUATED] / "evaluation.json", json.dumps(evaluation))
    put(benchmarks / f"train_expert/{names[EVALUATED]}.tsv", "s\th:m:s\tmax_rss\n3723.4\t1:02:03\t5\n")
    put(folder / f"rollouts/{EVALUATED}.hdf5")

    expert(experts / names[TRAINED], 0.5)
    put(logs / f"train_expert/{names[TRAINED]}.log", TRACEBACK)  # of an attempt before
    expert(experts / names[IMPORTED], 0.5)
    put(
        logs / f"evaluate_expert/{names[IMPORTED]}.log", "InputError: The expert is damaged.\nSend it back.\n"
    )

    told = "      1,000 steps: normalised reward 0.375\n      1,500 of 4,000 steps, 782 steps/s, 0:00:03 left at most\n"
    for clip, age in ((TRAINING, 60), (STOPPED, 7200)):
        progress(experts / names[clip], (0, 0.25), (1000, 0.375))
        put(logs / f"train_expert/{names[clip]}.log", told, age)
    put(logs / f"train_expert/{names[FAILED]}.log", told + TRACEBACK, age=7200)
    put(logs / f"extract_clip/{WAITING[0]}.log", "InputError: There is no such clip.\n")
    put(logs / "split_clips.log")

    put(folder / "distillation/rwr/0/progress.csv", "step,loss\n20,0.5\n")
    put(folder / "distillation/rwr/0/validation.csv", "step,normalized_reward\n20,0.125\n")
    put(logs / "distill_policy/rwr/0.log", "step 100 of 400: loss 1, kl 2; 600 sequences/s, 0.0% waiting\n")
    put(logs / "distill_policy/rwr/1.log", "step 100 of 400: loss 1\nStopped by SIGTERM.\n")
    for name in ("policy.json", "model.safetensors"):
        put(folder / "distillation/gpt/0" / name)
    put(folder / "distillation/gpt/0/completion.json", json.dumps({"all": {"seconds": {"median": 2.25}}}))
    put(
        folder / "transfer/go_to_target/general/0/progress.csv",
        "steps,return,length,episodes\n1000,2.5,40,9\n2000,,,0\n",
    )
    for name in ("best_model.zip", "vecnormalize.pkl"):
        put(folder / "transfer/go_to_target/none/1" / name)
    evaluation = {"mean_return": 12.5, "mean_length": 800, "fallen": 0.25}
    put(folder / "transfer/go_to_target/none/1/evaluation.json", json.dumps(evaluation))
    return settings
