"""Checks exported graphs in ONNX Runtime against the pictures of golden.json, which the networks' own authors' code drew.

    pip install onnxruntime numpy
    cargo build --release && python crates/interop/tests/golden/check_onnx.py target/release/tadne

Every network is exported with `z` as input and, where it has noise, with the noise stored in it; pictures are drawn one at
a time and all in one batch. With --web DIR the graphs and what to expect are left there for check_web.mjs.
"""
import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

HERE = Path(__file__).parent
LIMIT = 1e-4


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tadne")
    parser.add_argument("--web", type=Path)
    args = parser.parse_args()
    folder = args.web or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    worst, listing = 0.0, []
    for case in json.loads((HERE / "golden.json").read_text()):
        if case.get("which") == "g":
            continue
        pictures = [p for p in case["pictures"] if p["noise"] == "const"]
        name = f"{Path(case['file']).name}.onnx"
        subprocess.run([args.tadne, "export-onnx", HERE / case["file"], "--out", folder / name], check=True, stdout=subprocess.DEVNULL)
        session = onnxruntime.InferenceSession(folder / name)
        shapes = {i.name: i.shape for i in session.get_inputs()}
        feed = {
            "z": np.concatenate([np.random.RandomState(p["seed"]).randn(1, shapes["z"][1]) for p in pictures]).astype(np.float32),
            "psi": np.array([[p["psi"]] for p in pictures], np.float32),
        }
        if "c" in shapes:
            feed["c"] = np.eye(shapes["c"][1], dtype=np.float32)[[p["class"] for p in pictures]]
        batch, = session.run(["image"], feed)
        for i, picture in enumerate(pictures):
            single, = session.run(["image"], {k: v[i : i + 1] for k, v in feed.items()})
            for drawn in (single[0], batch[i]):
                error = np.abs(drawn.flatten()[:: picture["every"]] - np.array(picture["values"])).max()
                worst = max(worst, error)
                assert error < LIMIT, f"{name}, picture {i}: {error}"
        listing.append(dict(file=name, feed={k: dict(dims=v.shape, data=v.flatten().tolist()) for k, v in feed.items()}, pictures=pictures))
        print(f"{name}: {len(pictures)} pictures, worst so far {worst:.1e}")
    if args.web:
        (folder / "expected.json").write_text(json.dumps(listing))


if __name__ == "__main__":
    main()
