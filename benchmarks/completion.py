"""How fast is motion completion, and does a stride of the window change how long it lasts?

    OMP_WAIT_POLICY=passive python -m benchmarks.completion [--sizes demo paper] [--strides 1 8 16] [--rounds 3]
    python -m benchmarks.completion --gpt results/distillation/gpt/0 --experts results/experts --clips results/clips/all.hdf5

The first measures GPTs of random weights that move 64 worlds with their windows full: 32 steps a round, rounds take turns,
times are CPU seconds of one thread. `published` computes all of each window, with PyTorch's own linear layers; the others
compute what is needed, in oneDNN.

The second completes motions from the same prompts with each stride, and compares their lengths by pairs.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch

from mocapact_core.clips.builtin import builtin_trajectory
from mocapact_core.clips.library import Library
from mocapact_core.clips.snippets import Snippet, parse_snippet
from mocapact_core.distillation.complete_motions import load_gpt
from mocapact_core.distillation.completion import complete
from mocapact_core.distillation.evaluate import references_of
from mocapact_core.distillation.prompts import run_from_starts
from mocapact_core.humanoid.model import CONTROL_STEP
from mocapact_core.intervals import mean_and_interval
from mocapact_core.policies.gpt import GPT, Context
from mocapact_core.policies.modules import clip_actions
from mocapact_core.policies.onednn import use_onednn
from mocapact_core.settings import PROMPT_STEPS, DistillationSettings, TrackingSettings
from mocapact_core.tasks.completion import CompletionTask
from mocapact_core.tasks.references import References

SIZES: dict[str, dict[str, Any]] = {"demo": {"embedding": 128, "layers": 3, "heads": 4}, "paper": {}}
WORLDS, STEPS = 64, 32
SEED = 1

Act = Callable[[Context], tuple[np.ndarray, Context]]


@torch.no_grad()
def whole_window(gpt: GPT, context: Context) -> tuple[np.ndarray, Context]:
    """All actions of each window, of which the last are used."""
    return clip_actions(gpt(gpt.tensor(context.observations))[:, -1]), context


def one_round(gpt: GPT, act: Act, task: CompletionTask) -> tuple[float, float]:
    """CPU milliseconds that GPT and all else, the simulation, take for a step of all worlds with full windows."""
    task.start(np.arange(WORLDS), np.zeros(WORLDS, int), np.arange(WORLDS))
    context = None
    for _ in range(gpt.block - 1):
        context = gpt.remember(task.observe(), context)
    gpt_seconds, began = 0.0, process_time()
    for _ in range(STEPS):
        observation = task.observe()
        thinking = process_time()
        actions, context = act(gpt.remember(observation, context))
        gpt_seconds += process_time() - thinking
        task.step(actions)
    others = process_time() - began - gpt_seconds
    return 1e3 * gpt_seconds / STEPS, 1e3 * others / STEPS


def measure_speed(size: str, strides: list[int], rounds: int) -> None:
    torch.manual_seed(SEED)
    task = CompletionTask(References([builtin_trajectory("stand")]), WORLDS)
    plain = GPT(**SIZES[size]).eval()
    ways: dict[str, tuple[GPT, Act]] = {"published": (plain, lambda context: whole_window(plain, context))}
    for stride in strides:
        gpt = GPT(**SIZES[size]).eval()
        gpt.load_state_dict(plain.state_dict())
        gpt.window_stride = stride
        use_onednn(gpt)
        ways[f"stride {stride}"] = (gpt, gpt.act)
    times = np.array([[one_round(*way, task) for way in ways.values()] for _ in range(rounds)])
    together = times.sum(axis=2)
    print(
        f"GPT of the {size}'s size, CPU ms a step of {WORLDS} worlds, GPT + simulation, median of {rounds}:"
    )
    for i, name in enumerate(ways):
        of_gpt, others = np.median(times[:, i], axis=0)
        ratio = np.median(together[:, 0] / together[:, i])
        print(
            f"  {name:10s}{of_gpt:8.1f} +{others:6.1f}: {1e3 * WORLDS / (of_gpt + others):6.0f} steps a second, "
            f"simulation {others / (of_gpt + others):4.0%}, {ratio:5.2f} times as fast as published",
            flush=True,
        )


def compare_lengths(
    folder: Path, experts: Path, clips: list[Path], strides: list[int], settings: DistillationSettings
) -> None:
    snippets = snippets_with(experts, set(Library(clips).paths))
    references = references_of(clips, snippets)
    folders = [experts / snippet.name for snippet in snippets]
    chosen, steps, expert_actions = run_from_starts(references, folders, settings, TrackingSettings(), SEED)
    prompts = [actions[:PROMPT_STEPS] for actions in expert_actions]
    seconds = {}
    for stride in strides:
        gpt = load_gpt(folder, stride)
        task = CompletionTask(references, settings.workers, gpt.observables)
        began = process_time()
        completions = complete(gpt, task, chosen, steps, prompts, settings.completion_steps)
        seconds[stride] = CONTROL_STEP * np.array([len(completion.actions) for completion in completions])
        change = mean_and_interval(seconds[stride] - seconds[strides[0]], SEED)
        print(
            f"stride {stride:2d}: {len(prompts)} completions, mean {seconds[stride].mean():.2f} s, median "
            f"{np.median(seconds[stride]):.2f} s, {np.mean([completion.fell for completion in completions]):.0%} fall; "
            f"against stride {strides[0]} {change['mean']:+.2f} s (95 % {change['low']:+.2f} to {change['high']:+.2f}); "
            f"CPU {process_time() - began:.1f} s",
            flush=True,
        )


def snippets_with(experts: Path, clips: set[str]) -> list[Snippet]:
    """The snippets of these clips that have an expert."""
    snippets = [parse_snippet(path.parent.name) for path in sorted(experts.glob("*/clip_info.json"))]
    return [snippet for snippet in snippets if snippet.clip in clips]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strides", nargs="+", type=int, default=[1, 8, 16])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpt", type=Path, help="compare lengths of this GPT's completions: its folder")
    parser.add_argument("--experts", type=Path, help="folder of the folders of experts, named by snippet")
    parser.add_argument("--clips", nargs="+", type=Path, help="files of motion")
    parser.add_argument("--completions", type=int, default=16, help="of each snippet")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.gpt:
        settings = DistillationSettings(completions_per_snippet=arguments.completions, threads=1)
        compare_lengths(arguments.gpt, arguments.experts, arguments.clips, arguments.strides, settings)
        return
    for size in arguments.sizes:
        measure_speed(size, arguments.strides, arguments.rounds)


if __name__ == "__main__":
    main()
