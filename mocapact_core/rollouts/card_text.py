"""The parts of a data card that explain: the layout of the files, how to read them, whom to cite."""

from mocapact_core.clips.acknowledgement import PAPER
from mocapact_core.rollouts.summary import Summary

CITATION = f"""## Citation

```bibtex
@inproceedings{{wagener2022mocapact,
  title     = {{{{MoCapAct}}: A Multi-Task Dataset for Simulated Humanoid Control}},
  author    = {{Wagener, Nolan and Kolobov, Andrey and Vieira Frujeri, Felipe and Loynd, Ricky and Cheng, Ching-An and
               Hausknecht, Matthew}},
  booktitle = {{Advances in Neural Information Processing Systems 35, Datasets and Benchmarks Track}},
  year      = {{2022}},
  url       = {{{PAPER}}}
}}
```"""


def files(summary: Summary) -> str:
    clip, size = summary.clips[0], summary.observation_size
    pictures = "".join(
        f"\n      observations/walker/{camera:<16}   (T+1, 64, 64, 3) uint8" for camera in summary.cameras
    )
    columns = "\n".join(
        f"| {name} | {of[0]} to {of[-1]} |" if len(of) > 1 else f"| {name} | {of[0]} |"
        for name, of in summary.columns.items()
    )
    return f"""## Files

A file a clip; `metrics.npz` with means, variances, values and advantages of the whole dataset, `metrics/` with those of
each clip; and `dataset_metrics.npz`, the same in MoCapAct's own format, which is pickled: read it if you trust its origin.

```
{clip.name}.hdf5
  n_start_rollouts, n_rsi_rollouts       S and R: episodes a snippet from its start, and from random steps of it
  ref_steps                              the future steps that observables of the reference show
  observable_indices/walker/<name>       the columns of an observable
  stats/                                 means and variances of this file
  {clip.snippets[0] + "/":<37}  a group a snippet: clip, first and last step
    early_termination                    (S+R,) the motion was lost
    start_metrics/, rsi_metrics/         returns and lengths of the first S and the last R episodes
    0/ ... S+R-1/                        an episode of T steps
      observations/proprioceptive        (T+1, {size}) float32: also the state after the last action{pictures}
      actions, mean_actions              (T, 56) float32 in [-1, 1], as executed, and as the expert meant them
      rewards, values, advantages        (T,) float32
```

<details>
<summary>The {len(summary.columns)} observables and their columns</summary>

| observable | columns |
| --- | --- |
{columns}

</details>"""


def reading(summary: Summary) -> str:
    clip, snippet = summary.clips[0].name, summary.clips[0].snippets[0]
    observables = [name for name in ("joints_pos", "joints_vel") if name in summary.columns]
    observables = observables or list(summary.columns)[:2]
    walker = [f"walker/{name}" for name in observables]
    return f"""## Reading it

With h5py:

```python
import h5py

with h5py.File("{clip}.hdf5") as file:
    columns = file["observable_indices/{walker[0]}"][:]
    observations = file["{snippet}/0/observations/proprioceptive"][:, columns]
    actions = file["{snippet}/0/actions"][:]
```

In batches of sequences for training, with mocapact-core:

```python
from pathlib import Path

import numpy as np
from mocapact_core.rollouts.dataset import RolloutDataset

files = sorted(Path().glob("*.hdf5"))
dataset = RolloutDataset(files, "metrics.npz", snippets=None, observables={_quoted(observables)}, sequence=10)
batch = dataset.batch(np.random.default_rng(0), 256)
```

With MoCapAct's own code:

```python
from mocapact.distillation.dataset import ExpertDataset

dataset = ExpertDataset(["{clip}.hdf5"], {_quoted(walker)}, "dataset_metrics.npz", clip_ids=["{snippet}"])
```

As a dataset of Minari, after `python -m mocapact_core export-minari mocapact/rollouts-v0 *.hdf5`:

```python
import minari

dataset = minari.load_dataset("mocapact/rollouts-v0")
```"""


def _quoted(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"
