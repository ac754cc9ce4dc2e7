#!/usr/bin/env bash
# Runs one suite against every way to hold a key: scripts/signers.sh PROGRAM [NAME…]
# OpenBao is in VENV.
set -euo pipefail

program=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

module=$("$(dirname -- "${BASH_SOURCE[0]}")"/softhsm.sh)
# Tokens of this run only.
mkdir "$folder/tokens"
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$folder/tokens" >"$folder/softhsm2.conf"
export SOFTHSM2_CONF=$folder/softhsm2.conf

bao=${VENV:-target/signers-venv}/bin/bao
[[ -x $bao ]] || bao=$(command -v bao || command -v vault || true)

python=${VENV:-target/signers-venv}/bin/python
"$python" -c 'import moto.server' 2>/dev/null || python=
# Worth nothing: moto asks for none, and the provider's chain has to find some.
export AWS_ACCESS_KEY_ID=suite AWS_SECRET_ACCESS_KEY=a-secret-of-the-suite AWS_EC2_METADATA_DISABLED=true

"$program" ${python:+--moto "$python"} ${module:+--softhsm "$module"} ${bao:+--bao "$bao"} "$@"
