#!/usr/bin/env bash
# Runs one suite against every way to hold a key: scripts/signers.sh PROGRAM [NAME…]
# SoftHSM 2 is taken where it is installed, and installed where that can be done (Debian, root). OpenBao is in VENV.
set -euo pipefail

program=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

softhsm() {
  local file
  for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so \
    /usr/local/lib/softhsm/libsofthsm2.so /opt/homebrew/lib/softhsm/libsofthsm2.so; do
    if [[ -e $file ]]; then
      echo "$file"
      return
    fi
  done
}

if [[ -z $(softhsm) && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq softhsm2; } >/dev/null 2>&1 ||
    echo "softhsm2 could not be installed" >&2
fi
module=$(softhsm)
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
