#!/bin/sh
# All 18 levels of a seed from the original's addresses, as its visitors' scripts fetch them; only the host is another.
# tools/load/levels.sh http://127.0.0.1:8080 42 folder
set -eu
host=${1:?host}; seed=$(printf '%05d' "${2:?seed}"); folder=${3:?folder}
mkdir -p "$folder"
for psi in 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8 1.9 2.0; do
  curl -fsS -o "$folder/psi-$psi.png" "$host/results/psi-$psi/seed$seed.png"
done
ls "$folder" | wc -l
