#!/usr/bin/env bash
# Runs all invariants of the contract in campaigns of a thousand random calls each, as many at once as there are processors.
#
#   scripts/invariants.sh CAMPAIGNS
#
# What the first of them does is shown; what the others found, when they are done. Each begins with a seed of its own.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

campaigns=${1:?how many thousands of calls}
jobs=$(getconf _NPROCESSORS_ONLN)
if ((campaigns < jobs)); then jobs=$campaigns; fi
export FOUNDRY_PROFILE=million
export FOUNDRY_INVARIANT_RUNS=$(((campaigns + jobs - 1) / jobs))

"$FORGE_BIN" build
logs=$(mktemp -d)
trap 'rm -rf -- "$logs"' EXIT
others=()
for ((job = 2; job <= jobs; job++)); do
  "$FORGE_BIN" test >"$logs/$job" 2>&1 &
  others+=($!)
done
status=0
"$FORGE_BIN" test --show-progress || status=1
for pid in "${others[@]}"; do
  wait "$pid" || status=1
done
for log in "$logs"/*; do
  [[ ! -e $log ]] || cat -- "$log"
done
printf '%s calls, %s\n' "$((jobs * FOUNDRY_INVARIANT_RUNS * 1000))" "$([[ $status == 0 ]] && echo 'nothing found' || echo 'something found: see above')"
exit "$status"
