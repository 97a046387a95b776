#!/usr/bin/env bash
# Format, lint, types, import contracts, migrations, deployment checks and generated pages.
# Runs everything, shows what each step took, and prints the output of those that failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

bin=.venv/bin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a site in production has to set; the checks are about such a site.
export DEBUG=0 SITE_URL=https://app.example.org VIEWER_URL=https://view.example.net
export DATABASE_URL="sqlite:///$work/check.sqlite3" DATA_ROOT="$work"
SECRET_KEY=$("$bin/python" -c 'import secrets; print(secrets.token_urlsafe(50))')
export SECRET_KEY
unset LIGHTSERV_DEMO

# step NAME COMMAND...: run it, keep its output, note the time.
step() {
    local name=$1 begun ended
    shift
    begun=$(date +%s%N)
    if "$@" >"$work/$name.out" 2>&1; then touch "$work/$name.ok"; fi
    ended=$(date +%s%N)
    printf '%d.%d s' $(((ended - begun) / 1000000000)) $(((ended - begun) / 100000000 % 10)) >"$work/$name.time"
}

# Beginning and end of a long output: linters say the most first, tracebacks last.
show() {
    local lines half=40
    lines=$(wc -l <"$1")
    if [ "$lines" -le $((2 * half)) ]; then
        sed 's/^/    /' "$1"
    else
        head -n "$half" "$1" | sed 's/^/    /'
        printf '    ... %d lines ...\n' $((lines - 2 * half))
        tail -n "$half" "$1" | sed 's/^/    /'
    fi
}

report() {
    local name status=0
    for name in "$@"; do
        if [ -e "$work/$name.ok" ]; then
            printf 'ok      %-12s %s\n' "$name" "$(cat "$work/$name.time")"
        else
            status=1
            printf 'FAILED  %-12s %s\n' "$name" "$(cat "$work/$name.time")"
            show "$work/$name.out"
        fi
    done
    return "$status"
}

our_packages() {
    local init
    for init in */__init__.py; do
        case ${init%/*} in tests | bench) ;; *) printf '%s\n' "${init%/*}" ;; esac
    done
}

templates() { git ls-files --cached --others --exclude-standard -- '*.html'; }

lint_templates() {
    local files
    mapfile -t files < <(templates)
    [ ${#files[@]} -eq 0 ] || "$bin/djlint" --quiet --check --lint "${files[@]}"
}

lint_types() {
    local packages
    mapfile -t packages < <(our_packages)
    "$bin/mypy" manage.py "${packages[@]}"
}

lint_shell() {
    command -v shellcheck >/dev/null || {
        printf '%s\n' "shellcheck is not installed: apt-get install shellcheck"
        return 1
    }
    shellcheck .ci/run scripts/*.sh
}

main() {
    # mypy takes as long as all the others together, so it has a core of its own.
    step types lint_types &
    step format "$bin/ruff" format --check --output-format concise .
    step lint "$bin/ruff" check --output-format concise .
    step imports "$bin/lint-imports" --no-logo
    step templates lint_templates
    step shell lint_shell
    step migrations "$bin/python" manage.py makemigrations --check --dry-run
    step deploy "$bin/python" manage.py check --deploy --fail-level WARNING
    step states "$bin/python" manage.py render_states --check
    wait
    report format lint types imports templates shell migrations deploy states
}

main
