#!/usr/bin/env bash
# Runs all invariants of the contract in campaigns of random calls, as many at once as there are processors.
#
#   scripts/invariants.sh CALLS
#
# What the first of them does is shown; what the others found, when they are done. Each begins with a seed of its own.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

export FOUNDRY_PROFILE=invariants
calls=${1-}
if [[ ! $calls =~ ^[1-9][0-9]*$ ]]; then
  printf '"%s" is no number of calls: say for example 1000000\n' "$calls" >&2
  exit 2
fi
# Of one campaign: the longer it is, the more a call costs.
depth=500
jobs=$(getconf _NPROCESSORS_ONLN)
campaigns=$(((calls + depth * jobs - 1) / (depth * jobs)))
export FOUNDRY_INVARIANT_RUNS=$campaigns FOUNDRY_INVARIANT_DEPTH=$depth

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
for other in "${others[@]}"; do
  wait "$other" || status=1
done
for log in "$logs"/*; do
  [[ ! -e $log ]] || cat -- "$log"
done
exit "$status"
