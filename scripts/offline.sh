#!/usr/bin/env bash
# Builds ring-keys as one static file for a machine without a network, tries it where there is none, and prints its hash.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
folder=${CARGO_TARGET_DIR:-target}
# Paths of this machine stay out of the file, so that another machine makes the same.
paths="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
# Of the libusb in it: without udev, which cannot be linked statically.
LIBUDEV_NO_PKG_CONFIG=1 RUSTFLAGS="-C target-feature=+crt-static -C strip=symbols $paths" \
  ${CARGO:-cargo} build --locked --release -p ring-keys --bin ring-keys --target "$target"
install -D -m 0755 "$folder/$target/release/ring-keys" "$folder/offline/ring-keys"
cd "$folder/offline"

if ! ldd ring-keys 2>&1 | grep -q -e 'statically linked' -e 'not a dynamic executable'; then
  echo "ring-keys still needs libraries:" >&2
  ldd ring-keys >&2
  exit 1
fi
if unshare --map-root-user --net true 2>/dev/null; then
  place=$(mktemp -d)
  trap 'rm -rf "$place"' EXIT
  head -c 24 /dev/urandom | base64 >"$place/password"
  alone() { unshare --map-root-user --net "$PWD/ring-keys" "$@"; }
  alone new --light --out "$place/key.json" --password-file "$place/password"
  alone address --keystore "$place/key.json" --password-file "$place/password" >/dev/null
  alone paper new --out "$place/sheet" >/dev/null
  echo "it works in an empty network namespace"
else
  echo "not tried without a network: unshare may not make a namespace here" >&2
fi
sha256sum ring-keys
