#!/bin/sh
# Draws with other runtimes and with this project by turns and prints times and ratios.
#
#   benches/peers/draw.sh                                       the shipped model against ONNX Runtime
#   benches/peers/draw.sh up-conv-128 stylegan2-128             untrained networks (`tadne bench --help` names them)
#   benches/peers/draw.sh --peers onnxruntime,pytorch,tract --threads 1 --pictures 1 models/tadne.safetensors
#   TADNE_SIMD=avx2 benches/peers/draw.sh                       everybody without AVX-512 (not tract, which has no switch)
#
# Needs Python 3 with venv; the peers are fetched from PyPI, and tract from crates.io, into ignored folders beside this
# script when they are asked for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
python=$here/.venv/bin/python
has() { "$python" -c "import $1" 2>/dev/null; }
[ -x "$python" ] || python3 -m venv "$here/.venv"
has numpy,onnx,onnxruntime,safetensors || "$here/.venv/bin/pip" install --quiet numpy onnx onnxruntime safetensors
case " $* " in
*pytorch*)
    # Gigabytes: the wheel is that for CUDA, and does not load without CUDA's libraries, on a CPU either.
    has torch || "$here/.venv/bin/pip" install --quiet torch==2.11.0
    ;;
esac
if [ "${TADNE_SIMD:-}" = avx2 ]; then
    "$python" "$here/mask.py" "$here/.venv/avx2"
    export PYTHONPATH="$here/.venv/avx2" ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
fi
for argument; do
    case $argument in
    *.safetensors | c64 | c128 | up-conv-* | stylegan2-*) models=yes ;;
    esac
done
[ -n "${models:-}" ] || set -- "$@" models/tadne.safetensors
exec "$python" "$here/draw.py" "$@"
