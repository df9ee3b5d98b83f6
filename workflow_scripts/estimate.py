from mocapact_core.estimate.table import estimate
from mocapact_core.job import job

with job(snakemake) as settings:
    table = estimate(settings)
print(table)
