"""How fast is the training of a policy, and what makes it so? Ways of computing the same step, side by side in one run.

    OMP_WAIT_POLICY=passive python -m benchmarks.distillation [--sizes demo paper] [--policies rwr gpt] [--rounds 3]

Gradient steps of the policies of config.yaml and config/paper.yaml on rollout files of random numbers in the published
layout, that fit into memory:

    plain       float32, as PyTorch comes
    onednn      float32 in oneDNN: how training on the CPU does it. On a GPU: tf32 instead
    bf16        torch.autocast
    compile     plain, compiled; and bf16-compile. Only with --compile: compiling takes minutes

and of the one that training uses, with batches drawn in turn and by a thread meanwhile: the share of the time that they are
waited for. Rounds take turns, so that a machine that is busy for a while is busy for all. Speeds are set against what a
large product of matrices reaches in the same run: in float32 as PyTorch comes, in oneDNN and in bf16. Times are those of a
clock: on a machine that others use, only ratios mean something.
"""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.reading import write_files
from mocapact_core.config import load_config
from mocapact_core.distillation.batches import Batches
from mocapact_core.distillation.monitor import flops_of_step
from mocapact_core.distillation.recipes import Recipe, observables_of, recipe, sequence_of
from mocapact_core.policies.modules import best_device
from mocapact_core.policies.onednn import InOneDNN
from mocapact_core.rollouts.dataset import Batch, RolloutDataset
from mocapact_core.rollouts.metrics import write_dataset_metrics

SIZES = {"demo": ("config.yaml",), "paper": ("config.yaml", "config/paper.yaml")}
EPISODES, STEPS = 200, 120
LARGE = 2048 if best_device() == "cpu" else 8192


@contextlib.contextmanager
def tf32() -> Iterator[None]:
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision("highest")


FAST = {"cpu": ("onednn", InOneDNN), "cuda": ("tf32", tf32)}[best_device()]
"""How training computes float32 on this machine."""
WAYS: dict[str, tuple[dict[str, object], Callable[[], contextlib.AbstractContextManager]]] = {
    "plain": ({}, contextlib.nullcontext),
    FAST[0]: ({}, FAST[1]),
    "bf16": ({"precision": "bf16"}, contextlib.nullcontext),
}
COMPILED = {
    "compile": ({"compile": True}, contextlib.nullcontext),
    "bf16-compile": ({"precision": "bf16", "compile": True}, contextlib.nullcontext),
}


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    if best_device() == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def peaks(rounds: int) -> dict[str, float]:
    """FLOP/s of a large product, the best of some."""
    a, b = torch.randn(2, LARGE, LARGE, device=best_device())
    half = a.bfloat16(), b.bfloat16()
    linear = torch.nn.functional.linear

    def fast() -> None:
        with FAST[1]():
            linear(a, b)

    products = {"plain": lambda: linear(a, b), FAST[0]: fast, "bf16": lambda: linear(*half)}
    times: dict[str, list[float]] = {name: [] for name in products}
    for _ in range(rounds + 1):
        for name, product in products.items():
            times[name].append(seconds(product))
    return {name: 2 * LARGE**3 / min(of) for name, of in times.items()}


def step(chosen: Recipe, batch: Batch, max_grad_norm: float) -> None:
    """A gradient step as in training."""
    loss = chosen.loss(batch)["loss"]
    chosen.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(chosen.policy.parameters(), max_grad_norm)
    chosen.optimizer.step()
    loss.item()


def compare(title, settings, files, metrics, rounds: int, n_steps: int, compiled: bool, peak) -> None:
    dataset = RolloutDataset(files, metrics, None, observables_of(settings), sequence_of(settings))
    batch = dataset.batch(np.random.default_rng(0), settings.batch)
    ways, times = {}, {}
    for name, (update, context) in (WAYS | (COMPILED if compiled else {})).items():
        torch.manual_seed(0)
        ways[name] = (recipe(settings.model_copy(update=update), dataset, [1, 2, 3, 4, 5]), context)
        times[name] = []
    flops = flops_of_step(ways["plain"][0], dataset, settings.batch)
    for number in range(rounds + 1):
        for name, (chosen, context) in ways.items():
            with context():
                spent = seconds(lambda chosen=chosen: [step(chosen, batch, 1.0) for _ in range(n_steps)])
            if number:  # the first is to warm up
                times[name].append(spent / n_steps)
    print(
        f"\n{title}: {settings.batch} sequences a step, {1e-9 * flops:,.1f} GFLOP; medians of {rounds} rounds"
    )
    for name, of in times.items():
        kind = "bf16" if "bf16" in name else "plain" if "compile" in name else name
        median, ratio = np.median(of), np.median(np.array(times["plain"]) / of)
        print(
            f"  {name:14}{1e3 * median:10.1f} ms a step {settings.batch / median:10.1f} sequences/s "
            f"{1e-9 * flops / median:10.1f} GFLOP/s, {flops / median / peak[kind]:4.0%} of the peak, "
            f"{ratio:5.2f} times plain",
            flush=True,
        )
    chosen, context = ways[FAST[0]]
    with context():
        waiting(dataset, chosen, settings.batch, rounds * n_steps)


def waiting(dataset: RolloutDataset, chosen: Recipe, size: int, n_steps: int) -> None:
    """With batches drawn in turn, and with those drawn ahead."""
    memory, waited, rng = None, 0.0, np.random.default_rng(0)
    began = time.perf_counter()
    for _ in range(n_steps):
        asked = time.perf_counter()
        memory = dataset.batch(rng, size, out=memory)
        waited += time.perf_counter() - asked
        step(chosen, memory, 1.0)
    tell_waiting("in turn", waited, time.perf_counter() - began, n_steps)
    began = time.perf_counter()
    with Batches(dataset, size, 0, range(n_steps)) as batches:
        for _, batch in batches:
            step(chosen, batch, 1.0)
    tell_waiting("ahead", batches.waited, time.perf_counter() - began, n_steps)


def tell_waiting(name: str, waited: float, together: float, n_steps: int) -> None:
    print(
        f"  batches drawn {name:8}{1e3 * together / n_steps:10.1f} ms a step, {waited / together:6.1%} of it waiting"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--policies", nargs="+", default=["rwr", "gpt"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2, help="gradient steps of a round")
    parser.add_argument(
        "--batch", type=int, help="sequences of a gradient step, instead of those of the policy"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="measure compiled networks, too")
    parser.add_argument("--folder", type=Path, help="where to put a temporary folder")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    peak = peaks(arguments.rounds)
    print(
        f"{best_device()}, {arguments.threads} threads. Product of two matrices of {LARGE} x {LARGE}: "
        + ", ".join(f"{name} {1e-9 * value:,.0f} GFLOP/s" for name, value in peak.items())
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        files = write_files(Path(folder) / "files", 10, EPISODES // 10, 1, STEPS)
        metrics = write_dataset_metrics(files, Path(folder) / "metrics")
        for size in arguments.sizes:
            for name in arguments.policies:
                settings = load_config(*SIZES[size]).distillation.policies[name]
                settings = settings.model_copy(update={"batch": arguments.batch or settings.batch})
                compare(
                    f"{name}, {size}",
                    settings,
                    files,
                    metrics,
                    arguments.rounds,
                    arguments.steps,
                    arguments.compile,
                    peak,
                )


if __name__ == "__main__":
    main()
