#!/usr/bin/env bash
# Installs Howdah's roles as systemd services.
set -euo pipefail

usage() {
    cat <<'HELP'
Usage: install.sh [OPTION]... ROLE...

Installs the binaries, units and settings of the roles: driver, executor, paramserver.
Doing it again replaces binaries and units; settings in /etc/howdah are never overwritten.
Nothing is enabled or started.

  --bin-dir DIR   where the binaries are (default: target/release beside this folder)
  --prefix DIR    binaries go to DIR/bin (default: /usr/local)
  --dest DIR      put everything below DIR, for making a package; users are then not created
  -h, --help      show this help

Example:
  cargo build --release --workspace && sudo deploy/install.sh executor paramserver
HELP
}

fail() {
    echo "install.sh: $*" >&2
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin_dir=$here/../target/release
prefix=/usr/local
dest=
roles=()
while (($#)); do
    case $1 in
        --bin-dir | --prefix | --dest)
            (($# > 1)) || fail "$1 needs a folder"
            case $1 in
                --bin-dir) bin_dir=$2 ;;
                --prefix) prefix=${2%/} ;;
                --dest) dest=${2%/} ;;
            esac
            shift
            ;;
        -h | --help) usage && exit ;;
        driver | executor | paramserver) roles+=("$1") ;;
        *) fail "\`$1\` is no role and no option; see --help" ;;
    esac
    shift
done
((${#roles[@]})) || fail "name the roles to install: driver, executor, paramserver"
[[ $prefix == /* ]] || fail "--prefix must be an absolute path, not \`$prefix\`"
for role in "${roles[@]}"; do
    [[ -x $bin_dir/howdah-$role ]] ||
        fail "there is no $bin_dir/howdah-$role; build it with \`cargo build --release --workspace\`, or pass --bin-dir"
done
[[ $dest || $EUID == 0 ]] || fail "only root can install services; try sudo"

install -D -m 644 "$here/sysusers.d/howdah.conf" "$dest/etc/sysusers.d/howdah.conf"
install -D -m 644 "$here/tmpfiles.d/howdah.conf" "$dest/etc/tmpfiles.d/howdah.conf"
install -d -m 755 "$dest/etc/howdah" "$dest/etc/systemd/system"
for role in "${roles[@]}"; do
    install -D -m 755 "$bin_dir/howdah-$role" "$dest$prefix/bin/howdah-$role"
    for unit in "$here/systemd/howdah-$role"*.service; do
        installed=$dest/etc/systemd/system/${unit##*/}
        sed "s|^ExecStart=/usr/local/|ExecStart=$prefix/|" "$unit" >"$installed"
        chmod 644 "$installed"
    done
    settings=$dest/etc/howdah/$role.toml
    if [[ -e $settings ]]; then
        echo "kept $settings"
    else
        install -m 644 "$here/config/$role.toml" "$settings"
        echo "wrote $settings: look it over before the first start"
    fi
done

if [[ -z $dest ]]; then
    systemd-sysusers howdah.conf
    systemd-tmpfiles --create howdah.conf
    if [[ -d /run/systemd/system ]]; then systemctl daemon-reload; fi
fi
for role in "${roles[@]}"; do
    case $role in
        driver) echo "start it: systemctl enable --now howdah-driver" ;;
        *) echo "start one: systemctl enable --now howdah-$role@1" ;;
    esac
done
