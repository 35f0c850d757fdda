#!/usr/bin/env python3
"""Draws KD over kimg of several runs as one SVG, from the `metrics.jsonl` in their folders.

    v/bin/pip install matplotlib
    v/bin/python tools/curves.py --title '64 px' --out docs/curves.svg 'with a critic=runs/00003-c64' 'without=runs/00000-c64'
"""
import argparse, json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
# The same runs give the same bytes; words stay words.
matplotlib.rcParams.update({"svg.hashsalt": "tadne", "svg.fonttype": "none", "font.size": 10})
import matplotlib.pyplot as plt


def points(folder):
    """(kimg, KD × 1000) of the usual average; where a run was resumed, the later figure counts."""
    lines = map(json.loads, (Path(folder) / "metrics.jsonl").read_text().splitlines())
    found = {line["kimg"]: 1000 * line["kd"] for line in lines if line.get("average") is None}
    if not found:
        raise SystemExit(f"{folder} holds no KD yet")
    return sorted(found.items())


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", metavar="LABEL=FOLDER")
    p.add_argument("--title", required=True)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    figure, axes = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    for run in a.runs:
        label, _, folder = run.partition("=")
        axes.plot(*zip(*points(folder)), marker="o", markersize=3.5, linewidth=1.5, label=label)
    axes.set(title=a.title, xlabel="kimg", ylabel="KD × 1000", yscale="log")
    axes.yaxis.set_major_formatter(matplotlib.ticker.ScalarFormatter())
    axes.yaxis.set_minor_formatter(matplotlib.ticker.ScalarFormatter())
    axes.grid(True, which="both", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(a.out, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
