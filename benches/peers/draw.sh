#!/bin/sh
# Draws with ONNX Runtime and with this project by turns, on one thread, and prints both times and their ratio.
# Usage: benches/peers/draw.sh [MODEL_FILE ...]   (default: every file in models/)
# Needs Python 3 with venv; the first run fetches the peers from PyPI into an ignored folder beside this script.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
if [ ! -x "$here/.venv/bin/python" ] || ! "$here/.venv/bin/python" -c 'import numpy, onnx, onnxruntime, safetensors' 2>/dev/null; then
    python3 -m venv "$here/.venv"
    "$here/.venv/bin/pip" install --quiet numpy onnx onnxruntime safetensors
fi
[ $# -gt 0 ] || set -- models/*.safetensors
exec "$here/.venv/bin/python" "$here/draw.py" "$@"
