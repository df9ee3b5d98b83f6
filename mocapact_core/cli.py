"""The stages from a shell, for people without Snakemake; files lie where the workflow puts them.

Exit codes: 0, all went well; 1, the input was wrong or a file cannot be used, with one message on stderr;
2, wrong usage.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mocapact_core.config import Config, check_config, load_config, overlay, parse_config, schema
from mocapact_core.errors import InputError

if TYPE_CHECKING:
    from mocapact_core.clips.snippets import Snippet


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except InputError as error:
        print(f"mocapact: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `mocapact snippets | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # no permission, no room
        if error.filename is None:
            raise
        print(f"mocapact: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


# ---- Commands


def list_snippets(options: argparse.Namespace) -> None:
    from mocapact_core.clips.sources import plan

    settings = _settings(options)
    print(*(snippet.name for snippet in plan(settings.clips, settings.tracking).snippets), sep="\n")


def import_motion(options: argparse.Namespace) -> None:
    from mocapact_core.clips.retarget import import_amc
    from mocapact_core.clips.trajectory import write_trajectory

    if options.name and len(options.files) > 1:
        raise InputError(
            f"--name names one clip, but {len(options.files)} files were given. Import one at a time."
        )
    for file in options.files:
        trajectory = import_amc(file, options.asf, options.name, options.fps, options.leg_length)
        path = options.output / f"{trajectory.name}.h5"
        write_trajectory(path, trajectory)
        print(f"{path}: {trajectory.n_steps} steps")
    _acknowledge()


def download(options: argparse.Namespace) -> None:
    from mocapact_core.clips.cmu import fetch_archive

    print(fetch_archive(options.path))
    _acknowledge()


def train(options: argparse.Namespace) -> None:
    from mocapact_core.experts.train import train_expert

    settings = _settings(options)
    for snippet in _planned_snippets(settings, options.snippets):
        clip, folder = _clip(settings, snippet.clip), _expert(settings, snippet)
        train_expert(clip, snippet, folder, settings.experts, settings.tracking, settings.seed)
        print(folder)


def evaluate(options: argparse.Namespace) -> None:
    from mocapact_core.experts.evaluate import evaluate_expert

    settings = _settings(options)
    for snippet in _planned_snippets(settings, options.snippets):
        clip, folder = _clip(settings, snippet.clip), _expert(settings, snippet)
        evaluate_expert(clip, snippet, folder, settings.evaluation, settings.tracking, settings.seed)
        print((folder / "evaluation.json").read_text(), end="")


def rollout(options: argparse.Namespace) -> None:
    from mocapact_core.clips.sources import plan
    from mocapact_core.rollouts.collect import collect_rollouts

    settings = _settings(options)
    clips = settings.clips.model_copy(update={"subset": options.clips})
    planned = plan(clips, settings.tracking)
    for clip in planned.clips:
        snippets = [snippet for snippet in planned.snippets if snippet.clip == clip]
        output = Path(settings.results) / "rollouts" / f"{clip}.hdf5"
        experts = Path(settings.results) / "experts"
        collect_rollouts(
            _clip(settings, clip),
            snippets,
            experts,
            output,
            settings.rollouts,
            settings.tracking,
            settings.seed,
        )
        print(output)


def view(options: argparse.Namespace) -> None:
    from mocapact_core import viewer
    from mocapact_core.clips.trajectory import read_trajectory
    from mocapact_core.figures.playback import play

    viewer.check_display()
    settings = _settings(options)
    snippets = _planned_snippets(settings, [options.snippet])
    if len(snippets) > 1:
        names = ", ".join(snippet.name for snippet in snippets)
        raise InputError(f"{options.snippet} is cut into {len(snippets)} snippets; view one of {names}.")
    [snippet] = snippets
    clip = _clip(settings, snippet.clip)
    if options.reference:
        viewer.show(read_trajectory(clip, snippet.clip).segment(snippet.start, snippet.end).qpos())
    else:
        viewer.show(play(clip, snippet, _expert(settings, snippet), settings.tracking).expert)


def print_schema(options: argparse.Namespace) -> None:
    print(json.dumps(schema(), indent=2))


# ---- What the commands share


def _settings(options: argparse.Namespace) -> Config:
    """The configuration files, with the options laid over them."""
    content = load_config(*options.configfile).model_dump(mode="json")
    clips = {
        name: getattr(options, name) for name in ("source", "path", "subset") if getattr(options, name, None)
    }
    if "subset" in clips:
        clips["subset"] = clips["subset"].split(",")
    content = overlay(content, {"clips": clips})
    for assignment in options.set:
        content = overlay(content, _assignment(assignment))
    config = parse_config(content, origin="The command line")
    check_config(config)
    return config


def _acknowledge() -> None:
    from mocapact_core.clips.acknowledgement import CMU_ACKNOWLEDGEMENT

    print(f"If you publish results with motion of the CMU database: {CMU_ACKNOWLEDGEMENT}", file=sys.stderr)


def _assignment(text: str) -> dict[str, Any]:
    """`experts.total_steps=1000` as nested settings."""
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set {text} has no value; write for example --set experts.total_steps=100000.")
    try:
        content: Any = yaml.safe_load(value)
    except yaml.YAMLError:
        raise InputError(
            f"--set {text} has a value that is not valid YAML: close its brackets and quotes."
        ) from None
    for part in reversed(key.split(".")):
        content = {part: content}
    return content


def _planned_snippets(settings: Config, names: list[str]) -> "list[Snippet]":
    from mocapact_core.clips.sources import plan

    return plan(settings.clips.model_copy(update={"subset": names}), settings.tracking).snippets


def _clip(settings: Config, clip: str) -> Path:
    """The file of a clip, taken from its source if it is not there yet."""
    from mocapact_core.clips.sources import write_clip

    path = Path(settings.results) / "clips" / f"{clip}.h5"
    if not path.is_file():
        write_clip(settings.clips, clip, path)
    return path


def _expert(settings: Config, snippet: "Snippet") -> Path:
    return Path(settings.results) / "experts" / snippet.name


# ---- Options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mocapact",
        description="From motion capture to simulated humanoid skills. The whole pipeline is `snakemake`; "
        "these are its first stages one by one. `mocapact schema` lists all settings.",
        epilog="Exit codes: 0 all went well, 1 the input was wrong, 2 wrong usage.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = _add(commands, "snippets", list_snippets, "Print the names of snippets, one a line.")
    _add_settings(command)
    command.add_argument(
        "--subset",
        help="all, train, val, locomotion, get_up, or names of clips and snippets with commas between",
    )

    command = _add(commands, "import-amc", import_motion, "Turn ASF/AMC motion into clips for the humanoid.")
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

    command = _add(commands, "download", download, "Download dm_control's 836 CMU clips of 2020 (476 MB).")
    command.add_argument(
        "--path", help="file or folder to put it; default: ~/.dm_control, where it is also looked for"
    )

    command = _add(commands, "train", train, "Train experts, each into results/experts/SNIPPET.")
    _add_settings(command)
    _add_snippets(command)

    command = _add(commands, "evaluate", evaluate, "Evaluate trained experts and print the summaries.")
    _add_settings(command)
    _add_snippets(command)

    command = _add(commands, "rollout", rollout, "Collect the rollouts of trained experts, a file a clip.")
    _add_settings(command)
    command.add_argument("clips", nargs="+", metavar="CLIP", help="such as CMU_009_12, or a snippet of it")

    command = _add(commands, "view", view, "Watch an expert, or its reference, in MuJoCo's viewer.")
    _add_settings(command)
    command.add_argument("snippet", metavar="SNIPPET", help="such as CMU_009_12-165-363")
    command.add_argument(
        "--reference", action="store_true", help="show the reference motion instead of the expert"
    )

    _add(commands, "schema", print_schema, "Print the JSON schema of config.yaml, for editors.")
    return parser


def _add(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
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
