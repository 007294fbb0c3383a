#!/usr/bin/env bash
# Tries the units on three machines while things are killed.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: trial.sh [--bin-dir DIR]

Boots three machines with systemd-nspawn that see nothing of each other but the network: a driver, and two workers
with an executor each, one also with a parameter server. Installs the roles with install.sh, trains on pictures that
the driver draws, and in the middle of it
  - kills an executor with SIGKILL, which must be started again and rejoin,
  - and stops the other executor, which must leave cleanly.
The job must end well, with every batch applied exactly once. Then it kills the driver, which must be started again
and rejoined, and stalls an executor, which the watchdog must notice. Everything is taken down again at the end.

  --bin-dir DIR   where the release binaries are; by default they are built
  -h, --help      show this help

Needs root. Installs systemd-container and jq if they are missing and apt-get exists.
Exit codes: 0 all held, 1 something didn't, 2 wrong usage.
HELP
}

fail() {
    echo "trial.sh: $*" >&2
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
deploy=$(dirname "$here")
bin_dir=
while (($#)); do
    case $1 in
        --bin-dir)
            (($# > 1)) || fail "--bin-dir needs a folder"
            bin_dir=$2
            shift
            ;;
        -h | --help) usage && exit ;;
        *) fail "unknown option \`$1\`; see --help" ;;
    esac
    shift
done
((EUID == 0)) || fail "only root can boot machines; try sudo"

need() {
    command -v "$1" >/dev/null && return
    command -v apt-get >/dev/null || fail "there is no $1: install the package $2"
    { apt-get update && apt-get install -y --no-install-recommends "$2"; } >/dev/null || fail "can't install $2"
}
need systemd-nspawn systemd-container
need jq jq
if [[ -z $bin_dir ]]; then
    (cd "$deploy/.." && cargo build --release --workspace)
    bin_dir=$deploy/../target/release
fi
bin_dir=$(cd "$bin_dir" && pwd) || fail "there is no such folder for --bin-dir"

# 1,600 of the pictures are trained on: a partition has 5 whole batches, an epoch 50.
readonly PICTURES=2000 PARTITIONS=10 BATCH=32 EPOCHS=30
readonly BATCHES=$((EPOCHS * PICTURES * 4 / 5 / BATCH))

work=$(mktemp -d)
# shellcheck source-path=SCRIPTDIR source=machines.sh
source "$here/machines.sh"
readonly BIN=/opt/howdah/bin RUN=/root/run
readonly URL=http://$NETWORK.1:7077
job=

finish() {
    local code=$? machine
    trap - EXIT
    if ((code != 0)); then
        echo "=== the trial failed; the last lines of every machine's services:" >&2
        for machine in "${!LEADER[@]}"; do
            echo "--- $machine" >&2
            inside "$machine" journalctl --no-pager --lines 25 --unit 'howdah-*' >&2 || true
        done
        [[ ! -e $work/train.log ]] || { echo "--- train" >&2 && tail -n 25 "$work/train.log" >&2; }
    fi
    [[ -z $job ]] || kill -KILL "$job" 2>"$work/last-try" || true
    machines_down
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
    echo "[$SECONDS s] $*"
}

# settings FILE LINE...: writes a settings file that the machines are given.
settings() {
    local file=$work/$1
    shift
    printf '%s\n' "$@" >"$file"
}

# machine NAME NUMBER ROLE...: boots a machine and installs roles on it.
machine() {
    local name=$1 number=$2 role binds=()
    shift 2
    for role in "$@"; do
        binds+=("--bind-ro=$work/$name-$role.toml:/etc/howdah/$role.toml")
    done
    boot "$name" "$number" --bind-ro="$deploy:/opt/deploy" --bind-ro="$bin_dir:/opt/built" "${binds[@]}"
    inside "$name" /opt/deploy/install.sh --bin-dir /opt/built --prefix /opt/howdah "$@" >"$work/$name.install" 2>&1 || {
        cat "$work/$name.install" >&2
        return 1
    }
    step "$name has booted at $(address "$number"), with $*"
}

property() { # MACHINE UNIT PROPERTY
    inside "$1" systemctl show --property "$3" --value "$2"
}

is() { # MACHINE UNIT STATE
    [[ $(property "$1" "$2" ActiveState) == "$3" ]]
}

waits_for_the_driver() { # MACHINE UNIT
    inside "$1" journalctl --quiet --unit "$2" --grep "can't be reached" && is "$1" "$2" activating
}

# howdah COMMAND...: runs the driver's binary on the driver's machine.
howdah() {
    inside driver "$BIN/howdah-driver" "$@"
}

executor_id() { # NAME; nothing if it isn't a member
    howdah status --driver "$URL" | awk -v name="$1" '$2 == "executor" && $3 == name { print $1 }'
}

joined_anew() { # NAME ID-BEFORE
    local id
    id=$(executor_id "$1") && [[ $id && $id != "$2" ]]
}

members_are() { # NUMBER
    [[ $(howdah status --driver "$URL" | tail -n +2 | wc -l) == "$1" ]]
}

left() { # NAME
    local id
    id=$(executor_id "$1") && [[ -z $id ]]
}

epochs_done() {
    inside driver cat "$RUN/events.jsonl" | jq --slurp 'map(select(.event == "epoch_finished")) | length'
}

more_epochs_than() { # EPOCHS
    local epochs
    epochs=$(epochs_done) && ((epochs > $1))
}

job_still_runs() {
    kill -0 "$job" 2>"$work/last-try" || { echo "the job ended too early" >&2 && exit 1; }
}

# holds WHAT COMMAND...: the command must succeed.
holds() {
    local what=$1
    shift
    "$@" >"$work/last-try" 2>&1 || { echo "FAILED: $what" >&2 && cat "$work/last-try" >&2 && exit 1; }
    step "ok: $what"
}

metric() { # JQ-CONDITION
    inside driver cat "$RUN/metrics.json" | jq --exit-status "$1"
}

readonly EXECUTOR=howdah-executor@1.service PARAMSERVER=howdah-paramserver@1.service

settings driver-driver.toml '[serve]' "listen = \"$(address 1):7077\"" 'insecure = true' 'work_dir = "/var/lib/howdah"'
for number in 2 3; do
    common=("driver = \"$URL\"" "listen = \"$(address $number):0\"" 'insecure = true')
    settings "worker-$number-paramserver.toml" "${common[@]}"
    settings "worker-$number-executor.toml" "${common[@]}" 'slots = 1' 'threads = 1'
done
machine driver 1 driver
machine worker-2 2 executor paramserver
machine worker-3 3 executor

step "starting the workers while there is no driver"
inside worker-2 systemctl enable --quiet --now --no-block $EXECUTOR $PARAMSERVER
inside worker-3 systemctl enable --quiet --now --no-block $EXECUTOR
until_true 30 "the executor of worker-2 waits for the driver" waits_for_the_driver worker-2 $EXECUTOR
inside driver systemctl enable --quiet --now howdah-driver
until_true 60 "the executor of worker-2 is active" is worker-2 $EXECUTOR active
until_true 60 "the parameter server of worker-2 is active" is worker-2 $PARAMSERVER active
until_true 60 "the executor of worker-3 is active" is worker-3 $EXECUTOR active
step "ok: they waited, and joined when it came:"
howdah status --driver "$URL"

step "training $EPOCHS epochs of $((BATCHES / EPOCHS)) batches"
howdah train --driver "$URL" --output "$RUN" --synthetic $PICTURES --batch $BATCH --partitions $PARTITIONS \
    --epochs $EPOCHS >"$work/train.log" 2>&1 &
job=$!
until_true 180 "an epoch is trained" more_epochs_than 0

before=$(executor_id worker-3-1)
job_still_runs
inside worker-3 kill -KILL "$(property worker-3 $EXECUTOR MainPID)"
step "killed the executor of worker-3, member $before"
until_true 60 "it has joined again" joined_anew worker-3-1 "$before"
until_true 30 "systemd calls it active" is worker-3 $EXECUTOR active
holds "systemd started it again and it is member $(executor_id worker-3-1)" \
    test "$(property worker-3 $EXECUTOR NRestarts)" = 1

until_true 180 "another epoch is trained" more_epochs_than "$(epochs_done)"
job_still_runs
inside worker-2 systemctl stop $EXECUTOR
holds "the executor of worker-2 was told to stop while it trained, and left cleanly" \
    test "$(property worker-2 $EXECUTOR Result),$(property worker-2 $EXECUTOR ExecMainStatus)" = success,0
until_true 30 "the driver no longer lists it" left worker-2-1
job_still_runs

code=0
wait "$job" || code=$?
job=
cat "$work/train.log"
holds "the job ended with exit code 0" test $code = 0
holds "the executor that was killed is counted as lost" metric '.failures.executors_lost >= 1'
holds "$BATCHES batches are applied, exactly" metric ".train.batches_applied == $BATCHES"
holds "every shard has applied each of them" metric ".shards | length > 0 and all(.batches_applied == $BATCHES)"

inside worker-2 systemctl start $EXECUTOR
inside driver kill -KILL "$(property driver howdah-driver MainPID)"
step "killed the driver"
until_true 60 "it has been started again and every member has joined it" members_are 3
step "ok: it was started again, and every member joined it"

before=$(executor_id worker-3-1)
inside worker-3 kill -STOP "$(property worker-3 $EXECUTOR MainPID)"
step "stalled the executor of worker-3"
until_true 120 "its watchdog has had it started again" joined_anew worker-3-1 "$before"
holds "the watchdog noticed" inside worker-3 journalctl --quiet --unit $EXECUTOR --grep "result 'watchdog'"

inside worker-2 systemctl stop $PARAMSERVER
holds "the parameter server left cleanly" test "$(property worker-2 $PARAMSERVER Result)" = success
inside driver systemctl stop howdah-driver
holds "the driver left cleanly" test "$(property driver howdah-driver Result)" = success
step "all of it held"
