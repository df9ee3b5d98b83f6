"""The stages from a shell, for people without Snakemake; files lie where the workflow puts them.

Exit codes: 0, all went well; 1, the input was wrong or a file cannot be used, with one message on stderr;
2, wrong usage; 75, stopped by a signal, and the same command goes on from there; 130, stopped by Ctrl-C, likewise.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mocapact_core import commands
from mocapact_core.errors import InputError
from mocapact_core.interruption import EXIT_CODE, Interrupted


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except InputError as error:
        print(f"mocapact: {error}", file=sys.stderr)
        return 1
    except Interrupted as stop:
        print(f"mocapact: {stop}", file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt as stop:
        print(f"mocapact: {stop}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `mocapact snippets | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # no permission, no room
        if error.filename is None:
            raise
        print(f"mocapact: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


# ---- Options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mocapact",
        description="From motion capture to simulated humanoid skills. The whole pipeline is `snakemake`; "
        "these are its first stages one by one. `mocapact schema` lists all settings.",
        epilog="Exit codes: 0 all went well, 1 the input was wrong, 2 wrong usage, 75 stopped by a signal: start it "
        "again.",
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    _add_clip_commands(subparsers)
    _add_expert_commands(subparsers)
    _add_rollout_commands(subparsers)
    _add_policy_commands(subparsers)
    _add_status_command(subparsers)
    _add_settings(
        _add(
            subparsers,
            "estimate",
            commands.print_estimate,
            "Tell what the settings cost before they are run: jobs, core-hours, GPU-hours and disk of each rule, and what "
            "is left of a run that is under way.",
        )
    )
    _add(subparsers, "schema", commands.print_schema, "Print the JSON schema of config.yaml, for editors.")
    return parser


def _add_clip_commands(subparsers: Any) -> None:
    command = _add(subparsers, "snippets", commands.list_snippets, "Print the names of snippets, one a line.")
    _add_settings(command)
    command.add_argument(
        "--subset",
        help="all, train, val, locomotion, get_up, or names of clips and snippets with commas between",
    )

    command = _add(
        subparsers, "import-amc", commands.import_motion, "Turn ASF/AMC motion into clips for the humanoid."
    )
    command.add_argument("files", nargs="+", type=Path, metavar="AMC", help="motion file")
    command.add_argument(
        "--asf", type=Path, help="skeleton file; default: the one that lies beside the motion"
    )
    command.add_argument(
        "--name", help="name of the clip; default: from the file, 16_15.amc becomes CMU_016_15"
    )
    command.add_argument(
        "--fps", type=float, default=120.0, help="frames a second of the motion (default: 120)"
    )
    command.add_argument(
        "--leg-length", type=float, help="metres from hip to ankle of a subject that has no skeleton file"
    )
    command.add_argument(
        "--output", type=Path, default=Path("results/clips"), help="folder of clips (default: results/clips)"
    )

    command = _add(
        subparsers, "download", commands.download, "Download dm_control's 836 CMU clips of 2020 (476 MB)."
    )
    command.add_argument(
        "--path", help="file or folder to put it; default: ~/.dm_control, where it is also looked for"
    )


def _add_expert_commands(subparsers: Any) -> None:
    command = _add(subparsers, "train", commands.train, "Train experts, each into results/experts/SNIPPET.")
    _add_settings(command)
    _add_snippets(command)

    command = _add(
        subparsers,
        "evaluate",
        commands.evaluate,
        "Evaluate experts, print the table (tab-separated); the details go to evaluation.json in their folders.",
    )
    _add_settings(command)
    command.add_argument(
        "experts",
        nargs="+",
        type=Path,
        metavar="EXPERT",
        help="folder of an expert, such as results/experts/CMU_009_12-165-363, or of many, such as results/experts or a zoo",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="keep what an evaluation that was interrupted has done: of the same expert, clip and settings",
    )

    command = _add(
        subparsers,
        "render",
        commands.render,
        "Make a video of an expert (bronze) beside its reference (grey).",
    )
    _add_settings(command)
    _add_expert(command)
    command.add_argument("video", type=Path, metavar="VIDEO", help="file to write, such as walk.mp4")

    command = _add(
        subparsers,
        "view",
        commands.view,
        "Watch an expert, and the ghost of its reference, in MuJoCo's viewer.",
    )
    _add_settings(command)
    _add_expert(command)
    command.add_argument(
        "--reference",
        action="store_true",
        help="show a reference motion alone; instead of EXPERT, name its SNIPPET",
    )


def _add_rollout_commands(subparsers: Any) -> None:
    command = _add(
        subparsers, "rollout", commands.rollout, "Collect the rollouts of trained experts, a file a clip."
    )
    _add_settings(command)
    command.add_argument("clips", nargs="+", metavar="CLIP", help="such as CMU_009_12, or a snippet of it")

    command = _add(
        subparsers,
        "metrics",
        commands.metrics,
        "Measure rollout files, ours or published ones: statistics, returns, values and advantages of all of them.",
    )
    _add_rollouts(command, nargs="+")
    command.add_argument(
        "--output",
        type=Path,
        default=Path("results/rollouts"),
        help="folder of metrics.npz, and dataset_metrics.npz for MoCapAct (default: results/rollouts)",
    )

    command = _add(
        subparsers,
        "validate",
        commands.validate,
        "Check rollout files, ours or published ones, against themselves.",
    )
    _add_rollouts(command, nargs="+")
    command.add_argument(
        "--delete",
        action="store_true",
        help="remove the files that cannot be used; the next `snakemake` makes those of results/ again",
    )

    command = _add(
        subparsers,
        "replay",
        commands.replay,
        "Repeat what was recorded in the simulator that is installed here, and tell how far it drifts.",
    )
    _add_rollouts(command)
    command.add_argument(
        "--clip",
        type=Path,
        help="its motion, such as results/clips/CMU_009_12.h5: also repeat whole episodes",
    )
    command.add_argument("--episodes", type=int, default=4, help="of each snippet (default: 4)")
    command.add_argument("--json", action="store_true", help="print all numbers as JSON")

    command = _add(
        subparsers,
        "restore",
        commands.restore,
        "Write the full file of rollouts that were stored without observables of the reference.",
    )
    _add_rollouts(command)
    command.add_argument(
        "clip", type=Path, metavar="CLIP", help="its motion, such as results/clips/CMU_009_12.h5"
    )
    command.add_argument("output", type=Path, metavar="OUTPUT", help="file to write")

    command = _add(
        subparsers,
        "export-minari",
        commands.export_minari,
        "Write rollouts as a local dataset of Minari. Scores run from random actions, simulated, to the experts'.",
    )
    _add_settings(command)
    _add_dataset(command)
    _add_rollouts(command, nargs="+")
    command.add_argument(
        "--observables", help="those to export, with commas between (default: all in the files)"
    )
    command.add_argument("--author", help="name to give as author of the dataset")
    command.add_argument(
        "--without-scores",
        action="store_true",
        help="simulate no random actions, which takes the motion of the clips; scores then cannot be normalised",
    )

    command = _add(
        subparsers,
        "import-minari",
        commands.import_minari,
        "Write the rollout files that a dataset was exported from.",
    )
    _add_dataset(command)
    command.add_argument(
        "--output",
        type=Path,
        default=Path("results/rollouts"),
        help="folder of rollout files (default: results/rollouts)",
    )


def _add_policy_commands(subparsers: Any) -> None:
    command = _add(
        subparsers,
        "import-policy",
        commands.import_policy,
        "Take over a multi-clip policy (NPMP) or GPT of MoCapAct's model zoo.",
    )
    command.add_argument(
        "checkpoint",
        type=Path,
        metavar="CHECKPOINT",
        help="its Lightning checkpoint, such as best_model.ckpt",
    )
    command.add_argument("folder", type=Path, metavar="FOLDER", help="gets policy.json and model.safetensors")

    command = _add(
        subparsers,
        "evaluate-policy",
        commands.evaluate_policies,
        "Evaluate multi-clip policies on the snippets and clips of the settings, print the table (tab-separated); the "
        "details go to evaluation.json in their folders.",
    )
    _add_settings(command)
    command.add_argument(
        "policies",
        nargs="+",
        type=Path,
        metavar="POLICY",
        help="folder of a policy, such as results/distillation/rwr/0",
    )


def _add_status_command(subparsers: Any) -> None:
    command = _add(
        subparsers,
        "status",
        commands.status,
        "Write a page about all snippets, policies and transfer runs of the settings: what is trained and how well, what "
        "is under way, what failed. It only reads files, so it can be made while a run goes on.",
    )
    _add_settings(command)
    command.add_argument("--output", type=Path, help="file to write (default: status.html in the results)")
    command.add_argument(
        "--every",
        type=int,
        metavar="SECONDS",
        help="write it again and again, until Ctrl-C; where it is open, it follows",
    )


def _add(subparsers: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command = subparsers.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--source", help="where motion comes from: builtin, hdf5, cmu2020 or amc (default: builtin)"
    )
    command.add_argument("--path", help="the file (hdf5, cmu2020) or the folder (amc) of motion")
    command.add_argument(
        "--configfile",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="settings, such as config.yaml; a second file is laid over the first",
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one setting, such as experts.total_steps=100000, results=elsewhere or seed=2; may be repeated",
    )


def _add_snippets(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "snippets", nargs="+", metavar="SNIPPET", help="such as CMU_009_12-165-363, or a whole clip"
    )


def _add_rollouts(command: argparse.ArgumentParser, nargs: str | None = None) -> None:
    command.add_argument(
        "rollouts", nargs=nargs, type=Path, metavar="FILE", help="such as results/rollouts/CMU_009_12.hdf5"
    )


def _add_dataset(command: argparse.ArgumentParser) -> None:
    command.add_argument("dataset_id", metavar="ID", help="name of the dataset, such as mocapact/small-v0")


def _add_expert(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "expert", metavar="EXPERT", help="folder of an expert, such as results/experts/CMU_009_12-165-363"
    )
