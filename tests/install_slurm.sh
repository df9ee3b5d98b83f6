#!/bin/sh
# In continuous integration, as root on Debian: SLURM for tests/slurm. Without it they are skipped.
PATH=$PATH:/usr/sbin
command -v slurmctld >/dev/null && exit 0
[ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 0
{ timeout 120 apt-get update && timeout 400 apt-get install --yes --no-install-recommends slurmctld slurmd slurm-client munge
} >/dev/null 2>&1 || echo "SLURM could not be installed: the profile for clusters is not tested."
exit 0
