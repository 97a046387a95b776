#!/bin/sh
# Plain processes as jobs, for a machine without a batch system. Called as
#   sh direct.sh start WORKDIR NAME SLOTS | find WORKDIR NAME | poll WORKDIR NAME... | jobs WORKDIR | cancel WORKDIR NAME GRACE
# A job is WORKDIR/NAME. All that is known of it stands in its folder, so nothing depends on a process
# of ours staying alive. Each job waits by itself until one of SLOTS files can be locked; the kernel
# lets go of a lock when the last process of the job is gone.

umask 007
pid='' start='' boot=''

# The start time of a process, empty if there is none or it is dead and only not yet buried.
started() {
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086  # the fields after the name, which may hold blanks
    set -- ${stat##*) }
    [ "$1" != Z ] && [ "$1" != X ] && printf '%s' "${20}"
}

read -r this_boot </proc/sys/kernel/random/boot_id

leave() { printf '%s\n' "$2" >".$1.new" && mv ".$1.new" "$1"; }

read_pid() { [ -e "$1/pid" ] && read -r pid start boot <"$1/pid"; }

# A recycled number is another process: it started later, or after a reboot.
lives() { [ "$boot" = "$this_boot" ] && [ "$(started "$pid")" = "$start" ]; }

start_job() {
    cd "$1/$2" || exit 3
    mkdir -p "$1/.slots" || exit 3
    setsid sh "$0" hold "$1" "$2" "$3" </dev/null >>scheduler.log 2>&1 &
    tries=0
    while [ ! -e pid ] && [ $tries -lt 100 ]; do
        sleep 0.05
        tries=$((tries + 1))
    done
    [ -e pid ]
}

hold_job() {
    cd "$1/$2" || exit 3
    mkdir direct.lock 2>/dev/null || exit 0
    leave pid "$$ $(started $$) $this_boot"
    take_slot "$1/.slots" "$3"
    [ ! -e direct.cancelled ] || exit 143
    leave direct.running yes
    exec sh job.sh
}

# Only one waiting job at a time looks for a free slot; the others sleep in the kernel.
take_slot() {
    exec 8>>"$1/queue"
    flock 8
    while :; do
        slot=1
        while [ $slot -le "$2" ]; do
            exec 9>>"$1/$slot"
            flock -n 9 && break 2
            exec 9>&-
            slot=$((slot + 1))
        done
        sleep 0.1
    done
    exec 8>&-
}

report_job() {
    if ! read_pid "$1/$2"; then
        printf '%s gone -\n' "$2"
    elif [ -e "$1/$2/exit_code" ]; then
        printf '%s ended %s\n' "$2" "$(cat "$1/$2/exit_code")"
    elif lives; then
        if [ -e "$1/$2/direct.running" ]; then printf '%s running -\n' "$2"; else printf '%s queued -\n' "$2"; fi
    elif [ -e "$1/$2/exit_code" ]; then
        # It ended between the two looks.
        printf '%s ended %s\n' "$2" "$(cat "$1/$2/exit_code")"
    elif [ -e "$1/$2/direct.cancelled" ]; then
        printf '%s cancelled -\n' "$2"
    else
        printf '%s gone -\n' "$2"
    fi
}

# Every job of the folder that is not long over, in the order in which they were handed in.
report_jobs() {
    cd "$1" || exit 0
    for file in $(ls -1tr -- */pid 2>/dev/null); do report_job "$1" "${file%/pid}"; done
}

# The leader is dead. What is left of its group is ours only if it runs on our job's folder.
strays() {
    for folder in /proc/[0-9]*; do
        { read -r stat <"$folder/stat"; } 2>/dev/null || continue
        number=${folder#/proc/}
        # shellcheck disable=SC2086
        set -- "$1" ${stat##*) }
        [ "$4" = "$pid" ] && [ "$(readlink "$folder/cwd")" = "$1" ] && printf '%s ' "$number"
    done
}

cancel_job() {
    read_pid "$1/$2" || exit 0
    cd "$1/$2" || exit 0
    [ -e direct.cancelled ] || leave direct.cancelled "$(date +%s)"
    signal=TERM
    [ $(($(date +%s) - $(cat direct.cancelled))) -lt "$3" ] || signal=KILL
    if lives; then
        kill -$signal "-$pid"
    elif [ "$boot" = "$this_boot" ] && [ ! -e exit_code ]; then
        left=$(strays "$(pwd -P)")
        # shellcheck disable=SC2086  # a list of numbers
        [ -z "$left" ] || kill -KILL $left
    fi 2>/dev/null
    return 0
}

verb=$1 workdir=$2
shift 2
case $verb in
    start) start_job "$workdir" "$1" "$2" ;;
    hold) hold_job "$workdir" "$1" "$2" ;;
    find) [ -e "$workdir/$1/pid" ] ;;
    poll) for name in "$@"; do report_job "$workdir" "$name"; done ;;
    jobs) report_jobs "$workdir" ;;
    cancel) cancel_job "$workdir" "$1" "$2" ;;
    *) exit 2 ;;
esac
