#!/usr/bin/env bash
# Checks what this folder ships, as CI does.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: check.sh [--bin-dir DIR]

Checks that systemd accepts the units (systemd-analyze verify), that none is exposed above 2.0
(systemd-analyze security), that the user and folders are declared properly, and that the scripts hold.
With binaries, that they accept the example settings, with and without what is commented out.

  --bin-dir DIR   where howdah-driver, howdah-executor and howdah-paramserver are
  -h, --help      show this help

Installs systemd and shellcheck if they are missing, this is root, and apt-get exists; else says what it skipped.
Exit codes: 0 all held, 1 something didn't, 2 wrong usage.
HELP
}

# In tenths, as systemd-analyze takes it.
readonly MOST_EXPOSED=20

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin_dir=
while (($#)); do
    case $1 in
        --bin-dir)
            (($# > 1)) || { echo "check.sh: --bin-dir needs a folder" >&2 && exit 2; }
            bin_dir=$2
            shift
            ;;
        -h | --help) usage && exit ;;
        *) echo "check.sh: unknown option \`$1\`; see --help" >&2 && exit 2 ;;
    esac
    shift
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# held WHAT COMMAND...: the command must succeed; its output is shown if it doesn't.
held() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1; then
        echo "ok       $what"
    else
        echo "FAILED   $what"
        sed 's/^/         /' "$work/output"
        failures=$((failures + 1))
    fi
}

# have PROGRAM PACKAGE: is the program there, installed if need be?
have() {
    if ! command -v "$1" >"$work/output" && ((EUID == 0)) && command -v apt-get >"$work/output"; then
        echo "installing $2"
        { apt-get update && apt-get install -y --no-install-recommends "$2"; } >"$work/output" 2>&1 ||
            tail -n 3 "$work/output"
    fi
    command -v "$1" >"$work/output" && return
    echo "SKIPPED  there is no $1: install the package $2"
    return 1
}

# verify only warns of settings that systemd ignores, so whatever it says about the unit counts.
verified() {
    local said
    said=$(systemd-analyze verify --man=no "$1" 2>&1) || { echo "$said" && return 1; }
    said=$(grep -F "${1##*/}" <<<"$said" || true)
    [[ -z $said ]] || { echo "$said" && return 1; }
}

exposed() {
    systemd-analyze security --offline=true --threshold=$MOST_EXPOSED --no-pager "$1" >"$work/exposure" && return
    cat "$work/exposure"
    return 1
}

declared() {
    systemd-sysusers --root="$work/root" "$here/sysusers.d/howdah.conf" &&
        systemd-tmpfiles --root="$work/root" --create "$here/tmpfiles.d/howdah.conf" &&
        grep -q '^howdah:' "$work/root/etc/passwd" && [[ -d $work/root/etc/howdah ]]
}

accepted() {
    case $1 in
        driver) "$bin_dir/howdah-driver" serve --config "$2" --help ;;
        *) "$bin_dir/howdah-$1" --config "$2" --help ;;
    esac
}

if have systemd-analyze systemd; then
    for unit in "$here"/systemd/*.service; do
        name=${unit##*/}
        # verify wants the executable to be there; which one it is plays no part.
        sed "s|^ExecStart=/usr/local/bin/[a-z-]*|ExecStart=$(command -v true)|" "$unit" >"$work/$name"
        held "systemd accepts $name" verified "$work/$name"
        held "$name is exposed by at most $((MOST_EXPOSED / 10)).$((MOST_EXPOSED % 10))" exposed "$work/$name"
        sed -n 's/^→/        /p' "$work/exposure"
    done
    mkdir -p "$work/root/etc"
    held "the user and the folders are declared" declared
fi

if have shellcheck shellcheck; then
    held "the scripts hold" shellcheck "$here"/*.sh "$here"/*/*.sh
fi

for settings in "$here"/config/*.toml; do
    role=$(basename "$settings" .toml)
    if [[ -z $bin_dir ]]; then
        echo "SKIPPED  howdah-$role wasn't given its settings: pass --bin-dir"
        continue
    fi
    held "howdah-$role accepts its settings" accepted "$role" "$settings"
    sed 's/^#\([a-z_]* = \)/\1/' "$settings" >"$work/$role.toml"
    held "howdah-$role accepts everything that its settings show" accepted "$role" "$work/$role.toml"
done

((failures == 0)) || { echo "$failures failed" && exit 1; }
