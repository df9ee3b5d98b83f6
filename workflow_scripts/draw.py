from importlib import import_module
from pathlib import Path

from mocapact_core.job import job

with job(snakemake):
    # The rule is named like the module of its table or figure, its input and `arguments` like what its `draw` takes.
    import_module(f"mocapact_core.figures.{snakemake.rule}").draw(
        **dict(snakemake.input.items()),
        **snakemake.params.arguments,
        output=Path(snakemake.output.data).with_suffix(""),
    )
