#!/usr/bin/env bash
# A SLURM of two nodes on this machine, as root, without systemd: slurmctld, two slurmd and munged from Debian's packages.
# Everything lies in a folder; nothing in /etc is read or written, so that several can run side by side.
#
#   cluster.sh FOLDER up                 start what does not run, and wait until it is ready
#   cluster.sh FOLDER down               end the daemons and whatever its jobs have left
#   cluster.sh FOLDER kill NODE          a node dies: its daemon and all processes of its jobs; NODE: n1, n2
#   cluster.sh FOLDER stop controller    slurmctld goes away in good order, jobs go on
#   cluster.sh FOLDER kill controller    it dies, and forgets what it has heard in the last seconds; `up` starts all again
#
# Then `export SLURM_CONF=FOLDER/slurm.conf PATH=FOLDER/bin:$PATH` makes squeue, sbatch and the others talk to it. Node n2 has
# two GPUs, in name only.
# Before the first `up` one may ask for other sizes: CPUS and MEMORY (MB) of a node, MIN_JOB_AGE (s).
set -euo pipefail

ROOT=$(realpath -m "${1:-.}")
export SLURM_CONF=$ROOT/slurm.conf
PATH=$PATH:/usr/sbin # where Debian has the daemons, and not everyone looks

alive() { # alive NAME: whether that daemon runs
    local pid
    pid=$(cat "$ROOT/run/$1.pid" 2>/dev/null) && readlink "/proc/$pid/exe" >/dev/null # a zombie has none
}

wait_for() { # wait_for WHAT COMMAND...: half a minute at most
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || { echo "SLURM: $what did not come up; see $ROOT/log" >&2; exit 1; }
        sleep 0.1
    done
}

processes() { # processes NODE: its daemon, those that write into the daemon's log, and those of jobs, by their environment
    {
        find /proc/[0-9]*/fd -lname "$ROOT/log/$1.log" 2>/dev/null
        grep --null-data --line-regexp --files-with-matches "SLURMD_NODENAME=$1" /proc/[0-9]*/environ 2>/dev/null |
            xargs --no-run-if-empty grep --null-data --line-regexp --fixed-strings --files-with-matches \
                "SLURM_CONF=$SLURM_CONF" 2>/dev/null
    } | cut --delimiter=/ --fields=3 | sort --unique || true
}

end() { # end NODE: all its processes, at once
    processes "$1" | xargs --no-run-if-empty kill -KILL 2>/dev/null || true
    rm -f "$ROOT/run/$1.pid"
}

configure() {
    local host ports device
    host=$(hostname -s)
    mapfile -t ports < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in sockets), sep="\n")')
    mkdir -p "$ROOT"/{state,log,run,dev,bin,n1,n2}
    # Snakemake's plugin takes SLURM_CONF from the srun in a job.
    printf '#!/bin/sh\nSLURM_CONF=%s exec /usr/bin/srun "$@"\n' "$SLURM_CONF" >"$ROOT/bin/srun"
    chmod +x "$ROOT/bin/srun"
    dd if=/dev/urandom of="$ROOT/munge.key" bs=128 count=1 status=none
    chmod 0600 "$ROOT/munge.key"
    for device in gpu0 gpu1; do
        mknod "$ROOT/dev/$device" c 1 3 # as /dev/null
    done
    echo "NodeName=n2 Name=gpu File=$ROOT/dev/gpu[0-1]" >"$ROOT/gres.conf"
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$ROOT/run/munge.socket
CredType=cred/munge
MpiDefault=none
StateSaveLocation=$ROOT/state
SlurmctldPidFile=$ROOT/run/controller.pid
SlurmctldLogFile=$ROOT/log/controller.log
SlurmdSpoolDir=$ROOT/%n
SlurmdPidFile=$ROOT/run/%n.pid
SlurmdLogFile=$ROOT/log/%n.log
# Memory limits are kept by looking at it every second, which needs no cgroups.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill,UsePss
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=30
KillWait=10
MinJobAge=${MIN_JOB_AGE:-300}
SchedulerParameters=batch_sched_delay=0,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
GresTypes=gpu
AccountingStorageType=accounting_storage/none
NodeName=DEFAULT CPUs=${CPUS:-4} RealMemory=${MEMORY:-16000}
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[1]}
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=${ports[2]} Gres=gpu:2
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=2-00:00:00
PartitionName=gpu Nodes=n2 MaxTime=2-00:00:00
CONF
}

up() {
    local node
    [ -e "$SLURM_CONF" ] || configure
    alive munged || munged --force --socket="$ROOT/run/munge.socket" --key-file="$ROOT/munge.key" \
        --pid-file="$ROOT/run/munged.pid" --seed-file="$ROOT/run/munge.seed" --log-file="$ROOT/log/munged.log"
    alive controller || slurmctld
    wait_for slurmctld scontrol ping
    for node in n1 n2; do
        alive $node || SLURMD_NODENAME=$node slurmd -N $node
    done
    for node in n1 n2; do
        wait_for $node sh -c "sinfo --noheader --nodes=$node --format=%t | grep --extended-regexp '^(idle|mix|alloc)$'"
    done
}

stop() { # stop NAME SIGNAL: end a daemon and wait for its end
    local pid
    alive "$1" || return 0
    pid=$(cat "$ROOT/run/$1.pid")
    kill -"$2" "$pid"
    for _ in $(seq 100); do alive "$1" && sleep 0.1 || break; done
    kill -KILL "$pid" 2>/dev/null || true
    rm -f "$ROOT/run/$1.pid"
}

down() {
    local node
    [ -e "$SLURM_CONF" ] || return 0
    for node in n1 n2; do end $node; done
    stop controller TERM
    stop munged TERM
    rm -rf "$ROOT"/{state,run,dev,bin,n1,n2,slurm.conf,gres.conf,munge.key} # logs stay
}

case "${2:-} ${3:-}" in
"up ") up ;;
"down ") down ;;
"stop controller") stop controller TERM ;;
"kill controller") stop controller KILL ;;
"kill n1" | "kill n2") end "$3" ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
