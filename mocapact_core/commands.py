"""What the commands of `mocapact_core.cli` do. Each takes the options of its parser."""

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mocapact_core.config import Config, check_config, load_config, overlay, parse_config, schema
from mocapact_core.errors import InputError

if TYPE_CHECKING:
    from mocapact_core.clips.snippets import Snippet


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
    from mocapact_core.experts.interchange import import_expert
    from mocapact_core.experts.train import train_expert
    from mocapact_core.experts.zoo import zoo_experts

    settings = _settings(options)
    snippets = _planned_snippets(settings, options.snippets)
    zoo = zoo_experts(settings.experts, [snippet.name for snippet in snippets])
    for snippet in snippets:
        folder = _expert(settings, snippet)
        if snippet.name in zoo:
            import_expert(zoo[snippet.name], snippet, folder)
        else:
            clip = _clip(settings, snippet.clip)
            train_expert(clip, snippet, folder, settings.experts, settings.tracking, settings.seed)
        print(folder)


def evaluate(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from mocapact_core.experts.evaluate_many import evaluate_experts, experts_at
    from mocapact_core.experts.evaluation_table import COLUMNS, rows

    settings = _settings(options)
    folders = experts_at(options.experts)
    clip = partial(_clip, settings)
    evaluations = evaluate_experts(
        folders, clip, settings.evaluation, settings.tracking, settings.seed, options.resume
    )
    failures = {}
    table: list[Sequence[Any]] = [COLUMNS]
    with tqdm(total=len(folders), unit="expert", disable=None) as bar:
        for folder, evaluation in zip(folders, evaluations, strict=True):
            if isinstance(evaluation, Exception):
                failures[folder] = evaluation
            else:
                table += rows(folder, evaluation)
                with bar.external_write_mode():
                    _print_rows(table)
                table = []
            bar.update()
    if failures:
        _raise(failures, len(folders))


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


def export_minari(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.minari import export_minari

    settings = _settings(options)
    dataset = export_minari(
        options.rollouts,
        options.dataset_id,
        options.observables.split(",") if options.observables else None,
        None if options.without_scores else partial(_clip, settings),
        options.author,
    )
    print(f"{dataset.id}: {dataset.total_episodes} episodes, {dataset.total_steps} steps")


def import_minari(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.minari import import_minari

    print(*import_minari(options.dataset_id, options.output), sep="\n")


def metrics(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.metrics import write_dataset_metrics

    print(write_dataset_metrics(options.rollouts, options.output))


def validate(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.validate import validate

    unusable = []
    for path in options.rollouts:
        report = validate(path)
        print(report, flush=True)
        if not report.usable:
            unusable.append(path)
            if options.delete:
                path.unlink(missing_ok=True)
    if unusable:
        done = "They were deleted:" if options.delete else "--delete removes them, and"
        raise InputError(
            f"{len(unusable)} of {len(options.rollouts)} files cannot be used. {done} the next `snakemake` makes "
            "those of results/ again; download others again."
        )


def replay(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.replay import replay

    if options.episodes < 1:
        raise InputError(f"--episodes {options.episodes} leaves nothing to replay; give 1 or more.")
    result = replay(options.rollouts, options.clip, options.episodes)
    print(result.to_json() if options.json else result)


def restore(options: argparse.Namespace) -> None:
    from mocapact_core.rollouts.restore import restore_file

    restore_file(options.rollouts, options.clip, options.output)
    print(options.output)


def import_policy(options: argparse.Namespace) -> None:
    from mocapact_core.policies.files import save_policy
    from mocapact_core.policies.lightning import read_checkpoint
    from mocapact_core.provenance import provenance

    policy = read_checkpoint(options.checkpoint)
    save_policy(policy, options.folder, provenance({}, {"checkpoint": options.checkpoint}))
    print(options.folder)


def evaluate_policies(options: argparse.Namespace) -> None:
    from mocapact_core.clips.sources import plan
    from mocapact_core.distillation.evaluate import COLUMNS, evaluate_policy, rows

    settings = _settings(options)
    planned = plan(settings.clips, settings.tracking)
    clips = [_clip(settings, clip) for clip in planned.clips]
    table: list[Sequence[Any]] = [COLUMNS]
    for folder in options.policies:
        evaluation = evaluate_policy(
            folder, clips, planned.snippets, folder, settings.distillation, settings.tracking, settings.seed
        )
        table += rows(folder, evaluation)
        _print_rows(table)
        table = []


def render(options: argparse.Namespace) -> None:
    from mocapact_core.figures.videos import render_expert
    from mocapact_core.policies.folder import read_clip_info

    settings = _settings(options)
    snippet = read_clip_info(options.expert)
    clip = _clip(settings, snippet.clip)
    render_expert(clip, snippet, options.expert, options.video, settings.tracking)
    print(options.video)


def view(options: argparse.Namespace) -> None:
    from mocapact_core import viewer
    from mocapact_core.policies.folder import read_clip_info

    viewer.check_display()
    settings = _settings(options)
    if options.reference:
        [snippet, *others] = _planned_snippets(settings, [options.expert])
        if others:
            names = ", ".join(one.name for one in (snippet, *others))
            raise InputError(f"{options.expert} is cut into {len(others) + 1} snippets; view one of {names}.")
        viewer.view_reference(_clip(settings, snippet.clip), snippet)
    else:
        snippet = read_clip_info(options.expert)
        clip = _clip(settings, snippet.clip)
        viewer.view_expert(clip, snippet, options.expert, settings.tracking, settings.seed)


def status(options: argparse.Namespace) -> None:
    from mocapact_core.status.page import write_status

    if options.every is not None and options.every < 1:
        raise InputError(f"--every {options.every} is no time to wait; give 1 second or more.")
    settings = _settings(options)
    output = options.output or Path(settings.results) / "status.html"
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            print(f"{output}: {write_status(settings, output, options.every)}", flush=True)
            if options.every is None:
                break
            time.sleep(options.every)


def print_estimate(options: argparse.Namespace) -> None:
    from mocapact_core.estimate.table import estimate

    print(estimate(_settings(options)))


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


def _print_rows(table: Iterable[Sequence[Any]]) -> None:
    lines = (
        "\t".join(f"{cell:.6g}" if isinstance(cell, float) else str(cell) for cell in row) for row in table
    )
    print(*lines, sep="\n", flush=True)


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


def _raise(failures: dict[Path, Exception], n_experts: int) -> None:
    """One error about all experts that failed."""
    if n_experts == 1:
        raise next(iter(failures.values()))
    lines = [f"{len(failures)} of {n_experts} experts could not be evaluated:"]
    raise InputError("\n".join(lines + [f"{folder}: {error}" for folder, error in failures.items()]))


def _expert(settings: Config, snippet: "Snippet") -> Path:
    return Path(settings.results) / "experts" / snippet.name
