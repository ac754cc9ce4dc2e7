#!/usr/bin/env bash
# Finds Foundry's programs (forge, anvil, cast) and runs a command that needs them.
#
#   scripts/tools.sh forge build            runs forge
#   scripts/tools.sh cargo test             runs cargo with FORGE_BIN, ANVIL_BIN and CAST_BIN set
#   scripts/tools.sh --print                says which program is used for each
#
# A program is taken from its variable (FORGE_BIN …) if that is set, else from PATH if it is there in the
# right major version, else from node_modules. A program that is nowhere leaves its variable unset.
# FOUNDRY_SOLC is set too: forge would look for foundry.toml's relative path from where it was started.
set -euo pipefail

readonly MAJOR=1
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
readonly root

# forge → FORGE_BIN (macOS still has a bash that lacks ${name^^}).
variable_of() {
  printf '%s_BIN\n' "$(tr '[:lower:]' '[:upper:]' <<<"$1")"
}

is_right_version() {
  local version
  version=$("$1" --version 2>/dev/null) || return 1
  [[ $version =~ ([0-9]+)\.[0-9]+\.[0-9]+ && ${BASH_REMATCH[1]} == "$MAJOR" ]]
}

locate() {
  local name=$1 variable candidate
  variable=$(variable_of "$name")
  if [[ -n ${!variable:-} ]]; then
    printf '%s\n' "${!variable}"
    return
  fi
  if candidate=$(type -P "$name") && is_right_version "$candidate"; then
    printf '%s\n' "$candidate"
    return
  fi
  for candidate in "$root"/node_modules/@foundry-rs/"$name"-*/bin/"$name"; do
    if [[ -x $candidate ]] && is_right_version "$candidate"; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

export FOUNDRY_SOLC=${FOUNDRY_SOLC:-$root/scripts/solc.mjs}
for name in forge anvil cast; do
  if program=$(locate "$name"); then
    export "$(variable_of "$name")=$program"
  fi
done

if [[ $# -eq 0 ]]; then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
fi

case $1 in
  --print)
    for name in forge anvil cast; do
      variable=$(variable_of "$name")
      printf '%-6s %s\n' "$name" "${!variable:-not found}"
    done
    ;;
  forge | anvil | cast)
    variable=$(variable_of "$1")
    if [[ -z ${!variable:-} ]]; then
      printf '%s is not there: run "make setup", or install Foundry %s.x\n' "$1" "$MAJOR" >&2
      exit 127
    fi
    shift
    exec "${!variable}" "$@"
    ;;
  *)
    exec "$@"
    ;;
esac
