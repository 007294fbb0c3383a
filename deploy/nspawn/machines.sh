# shellcheck shell=bash
# Machines that share this one's /usr and have everything else to themselves; to be sourced.
#
# The caller sets `work`, a folder of its own for what the machines leave behind, and calls `machines_down` at the
# end, whatever happened.

# Stops here, by its name, if it isn't set.
: "${work:?}"

# A bridge's name has at most 15 letters, 3 of which are systemd's.
readonly ZONE=hd$$
readonly NETWORK=10.213.77

declare -A NSPAWN=() LEADER=()

# until_true SECONDS WHAT COMMAND...: waits until the command succeeds.
until_true() {
    local seconds=$1 what=$2 deadline=$((SECONDS + $1))
    shift 2
    until "$@" >"$work/last-try" 2>&1; do
        if ((SECONDS >= deadline)); then
            echo "after $seconds s it is still not so that $what; the last try said:" >&2
            tail -n 5 "$work/last-try" >&2
            return 1
        fi
        sleep 0.2
    done
}

# inside MACHINE COMMAND...: runs a command in a machine.
inside() {
    local machine=$1
    shift
    nsenter --target "${LEADER[$machine]}" --all -- "$@"
}

address() {
    echo "$NETWORK.$1"
}

# boot MACHINE HOST-NUMBER OPTION...: starts a machine with that number in the network; options go to systemd-nspawn.
boot() {
    local machine=$1 number=$2
    shift 2
    printf '[Match]\nName=host0\n\n[Network]\nAddress=%s/24\n' "$(address "$number")" >"$work/$machine.network"
    systemd-nspawn --directory=/ --volatile=yes --boot --register=no --keep-unit \
        --machine="$machine-$$" --hostname="$machine" --network-zone="$ZONE" \
        --bind-ro="$work/$machine.network:/etc/systemd/network/10-host0.network" \
        "$@" systemd.firstboot=off </dev/null >"$work/$machine.console" 2>&1 &
    NSPAWN[$machine]=$!
    until_true 30 "$machine has a first process" has_leader "$machine" || console "$machine"
    LEADER[$machine]=$(pgrep --parent "${NSPAWN[$machine]}" | head -n 1)
    # Nobody else may be there to set the bridge up.
    ip link set "vz-$ZONE" up
    until_true 90 "$machine has booted" inside "$machine" systemctl --quiet is-active multi-user.target ||
        console "$machine"
    until_true 30 "$machine has its address" has_address "$machine" "$number" || console "$machine"
}

# A first process that isn't systemd yet hasn't moved into its machine either.
has_leader() {
    local leader
    kill -0 "${NSPAWN[$1]}" && leader=$(pgrep --parent "${NSPAWN[$1]}" | head -n 1) &&
        [[ $(cat "/proc/$leader/comm") == systemd ]]
}

has_address() {
    inside "$1" ip -4 addr show dev host0 | grep --quiet --fixed-strings "$(address "$2")/"
}

console() {
    tail -n 20 "$work/$1.console" >&2
    return 1
}

# Takes every machine and the bridge down.
machines_down() {
    local machine nspawn leader
    for nspawn in "${NSPAWN[@]}"; do
        kill -TERM "$nspawn" 2>"$work/last-try" || true
    done
    for machine in "${!NSPAWN[@]}"; do
        nspawn=${NSPAWN[$machine]} leader=${LEADER[$machine]-}
        # A machine outlives a systemd-nspawn that was killed.
        until_true 30 "$machine is down" gone "$nspawn" "$leader" ||
            kill -KILL "$nspawn" ${leader:+"$leader"} 2>"$work/last-try" || true
        wait "$nspawn" || true
    done
    ip link delete "vz-$ZONE" 2>"$work/last-try" || true
    NSPAWN=() LEADER=()
}

gone() { # PROCESS-ID...
    local id
    for id in "$@"; do
        [[ -z $id || ! -e /proc/$id || $(cut -d ' ' -f 3 "/proc/$id/stat") == Z ]] || return 1
    done
}
