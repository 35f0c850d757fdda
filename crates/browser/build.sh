#!/usr/bin/env bash
# Builds the modules for web pages, the one that draws and the one that trains, once for each kind of browser, into web/wasm (or the folder given):
#   crates/browser/build.sh [FOLDER]
# Needs the target (`rustup target add wasm32-unknown-unknown`) or, without rustup, the standard library's source, which
# Debian has as rust-web-src and rustup as the component rust-src; then the library is built as well, without network.
set -euo pipefail
cd "$(dirname "$0")/../.."
out="${1:-web/wasm}"
mkdir -p "$out"

target=wasm32-unknown-unknown
build_std=()
if [ ! -d "$(rustc --print target-libdir --target "$target")" ]; then
  echo "no standard library for $target here; building it from its source"
  export RUSTC_BOOTSTRAP=1
  build_std=(-Zbuild-std=std,panic_abort)
fi

# Paths of this machine in the file would make it different on every machine.
remap="--remap-path-prefix=$PWD=. --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
remap="$remap --remap-path-prefix=$(rustc --print sysroot)=rust"
for flavour in relaxed:+simd128,+relaxed-simd simd128:+simd128 plain:; do
  name="${flavour%%:*}"
  RUSTFLAGS="-Ctarget-feature=${flavour#*:} $remap" cargo build --locked --quiet "${build_std[@]}" \
    --package tadne-browser --package tadne-contest --target "$target" --profile wasm --target-dir "target/browser-$name"
  for module in draw contest; do
    cp "target/browser-$name/$target/wasm/$module.wasm" "$out/$module-$name.wasm"
    echo "$out/$module-$name.wasm: $(stat -c %s "$out/$module-$name.wasm") bytes"
  done
done
