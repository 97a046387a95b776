#!/bin/sh
# The work of one job of the soak: sh work.sh LEDGER OUT JOB TASK SECONDS
# It tells when it begins and ends, and when another is at work in the same place.
ledger=$1 out=$2 name=$3-$4
exec 9>"$out/.at-work$4"
flock -n 9 || {
    echo "$name" >>"$ledger/at-once"
    exit 9
}
echo "$name" >>"$ledger/begun"
sleep "$5"
echo "$name" >>"$out/done$4"
echo "$name" >>"$ledger/ended"
