#!/usr/bin/env bash
# Installs what tests and production need on Debian: packages as root, then everything in .venv.
# Safe to run again; without anything to do it takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    mariadb-server libmariadb-dev pkg-config gcc python3-dev python3-venv # database
    slurm-wlm slurmdbd munge openssh-server iptables                      # cluster
    docker.io debootstrap docker-compose                                  # containers
    nginx                                                                 # proxy
    wrk                                                                   # benchmark
    chromium fonts-dejavu-core                                            # browser tests
    elastix                                                               # registration
    shellcheck                                                            # make check
    ca-certificates curl git make procps util-linux
)

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        is_installed "$package" || printf '%s\n' "$package"
    done
}

policy=/usr/sbin/policy-rc.d
# Debian starts a service as soon as its package is installed. The tests start their own.
forbid_services() {
    [ ! -e "$policy" ] || return 0
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" \
        >>var/apt.log 2>&1 || {
        tail -n 20 var/apt.log >&2
        printf '%s\n' "apt-get $1 failed; the lines above and var/apt.log say why." >&2
        exit 1
    }
}

install_packages() {
    local missing=("$@")
    printf '%s\n' "Debian: installing ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        printf '%s\n' "This needs root: run \`make deps\` as root, or install the packages above." >&2
        exit 1
    fi
    SECONDS=0
    forbid_services
    apt update
    apt install --yes --no-install-recommends "${missing[@]}"
    printf '%s\n' "Debian: ready after $SECONDS s"
}

main() {
    command -v apt-get >/dev/null || {
        printf '%s\n' "make deps knows Debian only. Elsewhere install what its script lists: scripts/deps.sh" >&2
        exit 1
    }
    mkdir -p var
    local missing
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
    scripts/install.sh dev
    .venv/bin/python -c 'import MySQLdb' || {
        printf '%s\n' "mysqlclient is missing though its headers are here; see var/mysqlclient.log" >&2
        exit 1
    }
}

main
