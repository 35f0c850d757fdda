"""Draws the same model files with this project and with other runtimes by turns, and prints times and ratios.

Peers: ONNX Runtime and PyTorch in this process, tract (one thread, one picture) in one of its own; our half is
crates/synth/benches/peer.rs. First the pictures are compared. Then, for every number of threads and of pictures, all draw
by turns, each twice with the second time counted, so that noise of the machine meets all alike; a ratio is the median of
the rounds' ratios. Run it through draw.sh.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors import safe_open

from network import onnx_network, torch_network

TOLERANCE = 1e-3
HERE = Path(__file__).resolve().parent


class Process:
    """A program that answers every line with a line."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.greeting = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.process.args} ended")
        return line.strip()

    def ask(self, request):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def built(arguments, target, cwd):
    """Builds a program of a cargo project and gives its path."""
    command = ["cargo", *arguments, "--message-format=json"]
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd).stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == target:
            return message["executable"]
    sys.exit(f"cargo built no program named {target}")


class OnnxRuntime:
    name = f"ONNX Runtime {onnxruntime.__version__}"

    def __init__(self, model, threads, pictures, _):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        # Its threads look for work for a while after it is done; nobody else should meet them.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            model.graph(pictures).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def draw(self, w):
        start = time.perf_counter()
        picture = self.session.run(None, {"w": w})[0]
        return (time.perf_counter() - start) * 1e3, picture


class PyTorch:
    def __init__(self, model, threads, _pictures, _):
        import torch

        self.torch, self.threads = torch, threads
        self.name = f"PyTorch {torch.__version__}"
        self.network = torch_network(model.architecture, model.tensors)

    def draw(self, w):
        self.torch.set_num_threads(self.threads)
        w = self.torch.from_numpy(w)
        start = time.perf_counter()
        picture = self.network(w)
        return (time.perf_counter() - start) * 1e3, picture.numpy()


class Tract:
    name = "tract 0.23"

    def __init__(self, model, threads, pictures, folder):
        if (threads, pictures) != (1, 1):
            raise ValueError("one thread, one picture")
        path = Path(folder) / "network.onnx"
        path.write_bytes(model.graph(1).SerializeToString())
        self.process, self.w = Process(model.programs["tract"], str(path)), Path(folder) / "w"

    def draw(self, w):
        w.tofile(self.w)
        return float(self.process.ask(str(self.w)).split()[0]), None


PEERS = {"onnxruntime": OnnxRuntime, "pytorch": PyTorch, "tract": Tract}


class Model:
    """A model file and our half of the comparison."""

    def __init__(self, path, programs):
        self.path, self.programs = path, programs
        with safe_open(path, "np") as file:
            self.architecture = json.loads(file.metadata()["architecture"])
            self.tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
        if self.architecture["noise"] != "none":
            sys.exit(f"{path}: this comparison has no noise inputs; use a model trained without noise")
        self.ours = Process(programs["ours"], path)
        self.name = f"this project ({self.ours.greeting})"

    def graph(self, pictures):
        return onnx_network(self.architecture, self.tensors, pictures)

    def raw(self, seed):
        """w and the raw picture of a seed, as we draw it."""
        with tempfile.NamedTemporaryFile() as raw:
            self.ours.ask(f"raw {seed} {raw.name}")
            numbers = np.fromfile(raw.name, dtype="<f4")
        return numbers[: self.architecture["w_dim"]], numbers[self.architecture["w_dim"] :]


def compare(model, threads, pictures, names, seconds):
    """One setting: prints a line for everybody who takes part."""
    with tempfile.TemporaryDirectory() as folder:
        peers, times, worst = [], {model.name: []}, {}
        for name in names:
            try:
                peers.append(PEERS[name](model, threads, pictures, folder))
            except ValueError:
                continue
        w, expected = model.raw(1)
        w = np.ascontiguousarray(np.repeat(w[None], pictures, 0))
        for peer in peers:
            times[peer.name] = []
            _, picture = peer.draw(w)
            if picture is not None:
                worst[peer.name] = float(np.abs(picture[0].ravel() - expected).max())
                if not worst[peer.name] < TOLERANCE:
                    sys.exit(f"{model.path}: {peer.name}'s picture differs by {worst[peer.name]:.2e}: nothing to compare")
        begin, rounds = time.perf_counter(), 0
        while rounds < 5 or (time.perf_counter() - begin < seconds and rounds < 1001):
            times[model.name].append(float(model.ours.ask(f"time {threads} {pictures} {rounds}")))
            for peer in peers:
                peer.draw(w)
                times[peer.name].append(peer.draw(w)[0])
                # OpenMP has no such switch.
                time.sleep(0.01)
            rounds += 1
    print(f"{threads} threads, {pictures} pictures, {rounds} rounds")
    for name, ms in times.items():
        ratio = statistics.median(peer / own for peer, own in zip(ms, times[model.name]))
        agrees = f", agrees to {worst[name]:.1e}" if name in worst else ""
        note = "" if name == model.name else f"   {ratio:5.2f} x ours{agrees}"
        print(f"  {name:26} {statistics.median(ms) / pictures:9.3f} ms a picture, fastest {min(ms) / pictures:9.3f}{note}")


def main():
    parser = argparse.ArgumentParser(prog="draw.sh", description="compares this project with other runtimes")
    parser.add_argument("models", nargs="+", help="model files, or names of untrained networks (tadne bench --help)")
    parser.add_argument("--peers", default="onnxruntime", help="a list of " + ", ".join(PEERS))
    parser.add_argument("--threads", default="1,2", help="a list of numbers of threads")
    parser.add_argument("--pictures", default="1,8", help="a list of numbers of pictures drawn at once")
    parser.add_argument("--seconds", type=float, default=8, help="for each setting")
    options = parser.parse_args()
    names = options.peers.split(",")
    root = HERE.parent.parent
    programs = {"ours": built(["bench", "-p", "tadne-synth", "--bench", "peer", "--no-run"], "peer", root)}
    if "tract" in names:
        programs["tract"] = built(["build", "--release"], "tract-peer", HERE / "tract")
    print(f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}")
    with tempfile.TemporaryDirectory() as folder:
        for path in options.models:
            if not Path(path).exists():
                name, path = path, str(Path(folder) / f"{path}.safetensors")
                tadne = built(["build", "--release", "-p", "tadne"], "tadne", root)
                subprocess.run([tadne, "bench", "--network", name, "--save", path], check=True)
            model = Model(path, programs)
            print(f"\n{path}: {model.architecture['channels']} {model.architecture['upsample']}")
            for threads in map(int, options.threads.split(",")):
                for pictures in map(int, options.pictures.split(",")):
                    compare(model, threads, pictures, names, options.seconds)
            print(f"{float(model.ours.ask('memory')):.0f} MB of memory at most on our side")
            model.ours.close()


if __name__ == "__main__":
    main()
