#!/usr/bin/env bash
# Creates .venv and installs what a purpose needs: `demo` (small) or `dev` (everything).
# Does nothing, fast, while the requirement files are as they were at the last installation.
set -euo pipefail
cd "$(dirname "$0")/.."

purpose=${1:?which purpose: demo or dev}
mkdir -p var

say() { printf '%s\n' ".venv: $*"; }

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "lightserv needs Python 3.11 or newer, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true)." \
        "Install one, or name it: make demo PYTHON=/path/to/python3.11"
}

create_venv() {
    if .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        return
    fi
    local python
    python=$(find_python)
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        die "$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv"
    say "creating it with $("$python" --version)"
    "$python" -m venv --clear .venv
}

demo_requirements() { sed '/^# --- not needed by the demo ---$/,$d' requirements.txt; }

dev_requirements() { grep -hv '^mysqlclient' requirements.txt requirements-dev.txt; }

fingerprint() {
    { "$1_requirements"; grep '^mysqlclient' requirements.txt; .venv/bin/python --version; } | sha256sum
}

is_fresh() { [ "$(cat ".venv/installed-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]; }

show_progress() {
    local line count=0
    while IFS= read -r line; do
        case $line in
            Collecting*)
                count=$((count + 1))
                line=${line#Collecting }
                [ ! -t 1 ] || printf '\r\033[K.venv: package %d, %.40s' "$count" "${line%% *}"
                ;;
            "Installing collected"*) [ ! -t 1 ] || printf '\r\033[K.venv: unpacking %d packages' "$count" ;;
        esac
    done
    [ ! -t 1 ] || printf '\r\033[K'
}

install_packages() {
    "$1_requirements" >"var/requirements-$1.txt"
    say "installing $(grep -c '^[A-Za-z]' "var/requirements-$1.txt") packages and what they need" \
        "(once; about a minute)"
    if ! .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        --requirement "var/requirements-$1.txt" 2>&1 | tee var/pip.log | show_progress; then
        tail -n 20 var/pip.log >&2
        die "The packages could not be installed; the lines above and var/pip.log say why."
    fi
}

has_mariadb_headers() {
    command -v mariadb_config >/dev/null || command -v mysql_config >/dev/null ||
        pkg-config --exists libmariadb 2>/dev/null
}

# mysqlclient has no wheel. It must not cost anybody the demo, which runs on SQLite.
install_mysqlclient() {
    local remedy="apt-get install libmariadb-dev pkg-config gcc python3-dev"
    if .venv/bin/python -c 'import MySQLdb' 2>/dev/null; then
        return
    elif ! has_mariadb_headers; then
        say "left out mysqlclient, which only MariaDB needs: no headers here ($remedy)"
    elif ! .venv/bin/python -m pip install --disable-pip-version-check --no-input \
        "$(grep '^mysqlclient' requirements.txt)" >var/mysqlclient.log 2>&1; then
        say "left out mysqlclient, which only MariaDB needs: it did not compile" \
            "(see var/mysqlclient.log; $remedy)"
    fi
}

main() {
    exec 9>var/install.lock
    flock 9 # two makes at once would write into each other's .venv
    create_venv
    if is_fresh dev || is_fresh "$purpose"; then
        install_mysqlclient # the headers may have come since
        return
    fi
    SECONDS=0
    install_packages "$purpose"
    install_mysqlclient
    fingerprint "$purpose" >".venv/installed-$purpose"
    say "ready after $SECONDS s"
}

main
