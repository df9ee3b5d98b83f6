# make demo: install, run the whole pipeline on the built-in motions, and write report.html.
# make test: install, check style and types, and run the tests.

CORES ?= 2
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: demo test clean

demo: .venv/installed
	snakemake --cores $(CORES)
	snakemake --report report.html

test: .venv/installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	mypy
	snakemake --lint
	pytest -n $(CORES) --dist loadgroup

# The environment is complete when this stamp is there; it is made again when its recipe changes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

clean:
	rm -rf results report.html .snakemake
