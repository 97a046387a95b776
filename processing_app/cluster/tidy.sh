# Put folders of jobs that are long over into archives, or remove them. Called as
#   sh -c THIS tidy compress|remove WORKDIR SECONDS NAME...
# and says of each `NAME compressed`, `NAME removed`, `NAME gone` or `NAME failed WHY`; nothing of those
# for which the time was too short. An archive appears under its name only when it is whole and can be
# read; only then the folder goes.

umask 007
verb=$1 workdir=$2
end=$(($(date +%s) + $3))
shift 3
cd "$workdir" || exit 3
# Where a disk is not mounted there is an empty folder, and nothing is gone.
[ -n "$(ls -A)" ] || { printf 'The folder is empty; is its disk mounted?\n' >&2 && exit 3; }
[ ! -L .archive ] && mkdir -p .archive || exit 3

# What somebody who was killed has left behind.
find .archive -maxdepth 1 -name '.*.new' -mmin +1440 -exec rm -f -- {} +

is_folder() { [ -d "$1" ] && [ ! -L "$1" ]; }

# A link never replaces: whoever was faster has packed the whole folder.
pack() {
    new=.archive/.$1.$$.new
    why=$({ tar -czf "$new" -- "$1" && tar -tzf "$new" && sync "$new" && ln -- "$new" "$archive"; } 2>&1 >/dev/null)
    rm -f -- "$new"
    [ -f "$archive" ]
}

compress() {
    archive=.archive/$1.tar.gz why=
    if ! is_folder "$1"; then
        if [ -f "$archive" ]; then printf '%s compressed\n' "$1"; else printf '%s gone\n' "$1"; fi
    # One that is there is whole, and the folder may be half removed: it is not packed again.
    elif { [ -f "$archive" ] || pack "$1"; } && rm -r -f -- "$1"; then
        printf '%s compressed\n' "$1"
    else
        printf '%s failed %s\n' "$1" "$(printf '%s' "$why" | grep -m 1 .)"
    fi
}

remove() {
    if rm -f -- ".archive/$1.tar.gz" && rm -r -f -- "$1"; then
        printf '%s removed\n' "$1"
    else
        printf '%s failed\n' "$1"
    fi
}

for name in "$@"; do
    [ "$(date +%s)" -lt "$end" ] || break
    "$verb" "$name"
done
