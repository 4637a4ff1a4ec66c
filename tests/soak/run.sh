#!/usr/bin/env bash
# Sequences of commands on a lake, compared with a model of it, for seeds of a range until some time is over:
#   tests/soak/run.sh 1000..2000 3600      seeds 1000 to 1999, an hour at most
# Each seed is told before it is tried, so that the last one is the one that failed: `tests/soak/run.sh N..N+1` tries it again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
range=${1:?a range of seeds, such as 1000..2000}
seconds=${2:-86400}
first=${range%%..*}
end=$(( ${range##*..} ))
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --quiet --test it --no-run
for (( seed = first; seed < end && SECONDS < seconds; seed++ )); do
    echo "seed $seed"
    if ! SESSIONLAKE_MODEL_SEEDS="$seed..$(( seed + 1 ))" \
        cargo test --quiet --test it -- --exact model::any_sequence_of_commands_gives_the_table_of_the_model > "$log" 2>&1; then
        cat "$log"
        echo "seed $seed failed"
        exit 1
    fi
done
echo "$(( seed - first )) seeds in $SECONDS s, none failed"
