#!/usr/bin/env python3
"""The feature networks of `crates/features` in PyTorch: milliseconds a picture, beside `cargo bench -p tadne-features --bench networks`.

    python benches/features.py [--threads 1] [--side SIDE] [--compare] nsfwjs-mobilenet-v2 efficientnet-lite0 ...

Same files, same graph, channels last, f32, batches of 16: forward as the metrics run, and forward with the gradient to the pictures.
--compare runs ours too (`cargo run --example features`) and prints the largest difference of the last tap.
"""
import argparse, json, os, statistics, struct, subprocess, tempfile, time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

BATCH = 16


class Network:
    def __init__(self, name):
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tadne/features"
        path = name if os.path.isfile(name) else cache / f"{name}.safetensors"
        with open(path, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        self.graph = json.loads(header["__metadata__"]["graph"])
        self.weights = {k: torch.from_numpy(v) for k, v in load_file(path).items()}
        for k, v in self.weights.items():
            if v.dim() == 4:
                self.weights[k] = v.contiguous(memory_format=torch.channels_last)

    def taps(self, x):
        mean, std = (torch.tensor(self.graph[k], dtype=torch.float32).view(1, 3, 1, 1) for k in ("mean", "std"))
        values = [((x + 1) / 2 - mean) / std]
        values[0] = values[0].contiguous(memory_format=torch.channels_last)
        for node in self.graph["nodes"]:
            values.append(self.apply(node, [values[i] for i in node["from"]]))
        return [values[t] for t in self.graph["taps"]]

    def apply(self, node, inputs):
        x, op = inputs[0], node["op"]
        if op == "add":
            return x + inputs[1]
        if op == "concat":
            return torch.cat(inputs, 1)
        if op == "mean":
            return x.mean((2, 3))
        size = self.weights[node["name"] + ".weight"].shape[2:] if op == "conv" else node["size"]
        pads = [self.pad(node["pad"], a, x.shape[2 + a], size[a], node["stride"][a]) for a in (0, 1)]
        pad = [p[0] for p in pads]
        if any(a != b for a, b in pads):
            x = F.pad(x, [*pads[1], *pads[0]], value=float("-inf") if op == "max_pool" else 0.0)
            pad = [0, 0]
        if op == "max_pool":
            return F.max_pool2d(x, size, node["stride"], pad)
        if op == "avg_pool":
            return F.avg_pool2d(x, size, node["stride"], pad, count_include_pad=False)
        weight, bias = (self.weights[f"{node['name']}.{part}"] for part in ("weight", "bias"))
        y = F.conv2d(x, weight, bias, node["stride"], pad, 1, node["groups"])
        return {"none": lambda y: y, "relu": F.relu, "relu6": F.relu6}[node["act"]](y)

    @staticmethod
    def pad(pad, axis, n, size, stride):
        if pad == "same":
            total = max((-(-n // stride) - 1) * stride + size - n, 0)
            return total // 2, total - total // 2
        return (0, 0) if pad == "valid" else (pad[axis], pad[axis])


def compare(name, x, theirs):
    with tempfile.TemporaryDirectory() as folder:
        save_file({"pictures": x.numpy()}, f"{folder}/in")
        run = ["cargo", "run", "--quiet", "--release", "-p", "tadne-features", "--example", "features", "--"]
        subprocess.run([*run, name, f"{folder}/in", f"{folder}/out"], check=True)
        mine = load_file(f"{folder}/out")["features"]
    theirs = theirs.flatten(1).numpy()
    print(f"  largest difference {np.abs(mine - theirs).max():.2e} where the largest feature is {np.abs(theirs).max():.2f}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="+")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--side", type=int)
    p.add_argument("--compare", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    for name in a.networks:
        network = Network(name)
        side = a.side or network.graph["size"]
        x = torch.sin(torch.arange(BATCH * 3 * side * side, dtype=torch.float32) * 0.37).view(BATCH, 3, side, side)
        forward, both = [], []
        while len(forward) < 3 or sum(forward) + sum(both) < 6000 / BATCH:
            start = time.perf_counter()
            with torch.no_grad():
                last = network.taps(x)[-1]
            forward.append((time.perf_counter() - start) * 1e3 / BATCH)
            start = time.perf_counter()
            y = x.clone().requires_grad_()
            taps = network.taps(y)
            torch.autograd.backward(taps, [t.detach() for t in taps])
            both.append((time.perf_counter() - start) * 1e3 / BATCH)
        print(f"{name:24} {side:4} px   forward {statistics.median(forward):8.2f}   with gradient {statistics.median(both):8.2f}")
        if a.compare:
            compare(name, x, last)


if __name__ == "__main__":
    main()
