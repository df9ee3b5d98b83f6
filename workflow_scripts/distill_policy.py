from pathlib import Path

from mocapact_core.clips.snippets import parse_snippet
from mocapact_core.distillation.train import train_policy
from mocapact_core.finished import give_back, keep
from mocapact_core.job import job

with job(snakemake) as settings:
    if not give_back(snakemake):
        train_policy(
            settings.distillation.policies[snakemake.wildcards.policy],
            [Path(path) for path in snakemake.input.rollouts],
            Path(snakemake.input.metrics),
            [parse_snippet(name) for name in snakemake.params.snippets.split()],
            Path(snakemake.output.policy).parent,
            settings.tracking,
            int(snakemake.wildcards.seed),
            settings.distillation.threads,
            [parse_snippet(name) for name in snakemake.params.validation.split()],
            [Path(snakemake.input.clips)],
        )
        keep(snakemake)
