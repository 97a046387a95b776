#!/usr/bin/env bash
# Runs the whole suite on SQLite, then what talks to the database once more on MariaDB.
# Both decide the exit code. Ends with pytest's summaries and their sum.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

workers=${LIGHTSERV_TEST_WORKERS:-auto}
failed=0
mkdir -p var

requires() {
    case ",${LIGHTSERV_REQUIRE:-}," in *,all,* | *,"$1",*) return 0 ;; *) return 1 ;; esac
}

run() {
    local name=$1
    shift
    printf '\n%s\n' "### Tests on $name"
    .venv/bin/python -m pytest -n "$workers" --maxprocesses 4 --dist loadgroup --color=no -rfEs "$@" 2>&1 |
        tee "var/pytest-$name.log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
}

database_tests() {
    local folder
    for folder in tests/app tests/integration/mariadb; do
        [ ! -d "$folder" ] || printf '%s\n' "$folder"
    done
}

run_on_mariadb() {
    local folders
    mapfile -t folders < <(database_tests)
    if ! command -v mariadbd >/dev/null; then
        printf '\n%s\n' "### Not run on MariaDB: mariadbd is not installed (make deps, or apt-get install mariadb-server)."
        requires mariadb && failed=1
    elif [ ${#folders[@]} -gt 0 ]; then
        # Who may do what is asked in Python: the walk through all rights says nothing of a database.
        run MariaDB -p tests.support.mariadb --ignore=tests/app/rights "${folders[@]}"
    fi
}

# Repeats what went wrong, for whoever sees only the end of the log,
# and adds up lines such as "== 2 failed, 310 passed in 61.2s ==" over both databases.
print_sum() {
    local logs=() log
    for log in var/pytest-SQLite.log var/pytest-MariaDB.log; do [ ! -e "$log" ] || logs+=("$log"); done
    printf '\n'
    grep -hE '^(FAILED|ERROR|SKIPPED) ' "${logs[@]}" | cut -c 1-400
    grep -hE '^=+ .* in [0-9.]+s.* =+$' "${logs[@]}" | awk '
        { gsub(/=/, ""); sub(/ in [0-9.]+s.*/, "")
          n = split($0, part, ",")
          for (i = 1; i <= n; i++) { split(part[i], word, " "); sum[word[2]] += word[1] } }
        END { out = sum["passed"] + 0 " passed, " sum["failed"] + 0 " failed"
              if (sum["skipped"]) out = out ", " sum["skipped"] " skipped"
              errors = sum["error"] + sum["errors"]
              if (errors) out = out ", " errors " errors"
              print "SQLite and MariaDB together: " out }'
}

main() {
    if [ "${LIGHTSERV_REQUIRE:-}" = all ]; then scripts/deps.sh; else scripts/install.sh dev; fi || exit 1
    rm -f var/pytest-*.log
    run SQLite tests --ignore=tests/integration/mariadb
    run_on_mariadb
    print_sum
    exit "$failed"
}

main
