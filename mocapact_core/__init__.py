"""From motion capture to simulated humanoid skills: MoCapAct, end to end.

The packages follow the data: `clips`, `experts`, `rollouts`, `distillation`, `transfer`, `figures`,
standing on `humanoid`, `tasks`, `envs` and `policies`. Importing this package is cheap on purpose:
Snakemake does it twice in every job.
"""

__version__ = "0.1.0"
