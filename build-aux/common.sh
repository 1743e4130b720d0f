# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# For the other scripts: parts of a long run, how long each took, and a summary that nobody can overlook.
# A part that fails does not stop the ones after it, so that one run shows all that is wrong.

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$source_dir" || exit 1
# A service that starts scripts does not always set it.
export HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}
# Read by the scripts that include this one.
# shellcheck disable=SC2034
sdk=$source_dir/build-aux/sdk

# Rows of the summary: seconds, tab, name, tab, result. A script that runs as a part of another one hands its rows up.
rows=()
rows_of_caller=${REFLECTION_ROWS:-}
REFLECTION_ROWS=$(mktemp)
export REFLECTION_ROWS
trap 'rm -f "$REFLECTION_ROWS"' EXIT

# part NAME CMD...
part() {
    local name=$1 begin=$SECONDS result=ok row
    shift
    printf '\n=== %s\n' "$name"
    : >"$REFLECTION_ROWS"
    # Without standard input: a program that asks a question would wait for ever.
    "$@" </dev/null || result="FAILED ($?)"
    rows+=("$((SECONDS - begin))"$'\t'"$name"$'\t'"$result")
    while IFS= read -r row; do rows+=("$row"); done <"$REFLECTION_ROWS"
    [ "$result" = ok ]
}

# skipped NAME REASON
skipped() {
    printf '\n=== %s\nSKIPPED: %s\n' "$1" "$2"
    rows+=("0"$'\t'"$1"$'\t'"SKIPPED: $2")
}

# Prints what came of all parts; its result is to be the exit code of the script.
summary() {
    local row seconds name result failed=0
    printf '\n=== %s: what took how long\n' "$1"
    for row in "${rows[@]}"; do
        IFS=$'\t' read -r seconds name result <<<"$row"
        printf '%4d min %02d s  %-32s %s\n' $((seconds / 60)) $((seconds % 60)) "$name" "$result"
        case $result in FAILED*) failed=1 ;; esac
        [ -z "$rows_of_caller" ] || printf '%s\t  %s\t%s\n' "$seconds" "$name" "$result" >>"$rows_of_caller"
    done
    if [ $failed = 0 ]; then echo "$1: passed"; else echo "$1: FAILED; the parts above say how"; fi
    return $failed
}
