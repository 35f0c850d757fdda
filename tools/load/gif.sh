#!/bin/sh
# A GIF maker for the original's addresses: fetches all 18 levels of a seed with levels.sh and joins them, there and back.
# tools/load/gif.sh http://127.0.0.1:8080 42 seed42.gif (needs curl, and ffmpeg or Python with Pillow)
set -eu
host=${1:?host}; seed=${2:?seed}; out=${3:?file}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$("$(dirname "$0")/levels.sh" "$host" "$seed" "$folder")" = 18 ] || { echo "not all 18 levels came" >&2; exit 1; }
if command -v ffmpeg >/dev/null; then
  ffmpeg -loglevel error -y -framerate 8 -pattern_type glob -i "$folder/psi-*.png" \
    -filter_complex 'split[a][b];[b]reverse[c];[a][c]concat,split[d][e];[d]palettegen[p];[e][p]paletteuse' "$out"
else
  "${PYTHON:-python3}" - "$folder" "$out" <<'PYTHON'
import pathlib, sys
from PIL import Image
there = [Image.open(path) for path in sorted(pathlib.Path(sys.argv[1]).iterdir())]
there[0].save(sys.argv[2], save_all=True, append_images=there[1:] + there[-2:0:-1], duration=125, loop=0)
PYTHON
fi
ls -l "$out"
