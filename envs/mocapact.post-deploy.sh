# Snakemake runs this in a new conda environment, from the folder of the workflow: the package itself.
set -eu
python -m pip install --no-deps --editable .
