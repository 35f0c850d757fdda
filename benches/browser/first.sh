#!/usr/bin/env bash
# From an empty browser to the first picture of the wall as files: milliseconds, and bytes over the wire. A server on this
# machine sends what `tadne site export` wrote, packed with brotli where that copy exists. Needs Node 20, Chromium and cargo.
#   benches/browser/first.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
site=target/browser-first
rm -rf "$site"
cargo run --quiet --locked --release -p tadne -- site export --out "$site" >/dev/null
exec node benches/browser/first.mjs "$site"
