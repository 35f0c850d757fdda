#!/usr/bin/env bash
# Milliseconds a picture in Chromium: our module in its three kinds, with one worker and two, beside ONNX Runtime Web with
# the same network. Fetches the peer from npm into target/, which git ignores; needs Node 20, Chromium and cargo.
#   benches/browser/draw.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
peers=target/browser-peers
mkdir -p "$peers"
[ -d "$peers/node_modules/onnxruntime-web" ] || npm install --silent --prefix "$peers" onnxruntime-web@1.30.0
cargo run --quiet --locked --release -p tadne -- export-onnx --out "$peers/model.onnx" >/dev/null
exec node benches/browser/draw.mjs "$peers"
