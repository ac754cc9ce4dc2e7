#!/usr/bin/env bash
# Prints where the library of SoftHSM 2 is, or nothing; installs it where that can be done (Debian, root).
set -euo pipefail

find_module() {
  local file
  for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so \
    /usr/local/lib/softhsm/libsofthsm2.so /opt/homebrew/lib/softhsm/libsofthsm2.so; do
    if [[ -e $file ]]; then
      echo "$file"
      return
    fi
  done
}

if [[ -z $(find_module) && $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq softhsm2; } >/dev/null 2>&1 ||
    echo "softhsm2 could not be installed" >&2
fi
find_module
