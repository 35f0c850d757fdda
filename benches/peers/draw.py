"""Compares ONNX Runtime with this project on the same model files: one thread, one picture at a time.

For each file the network from w to the picture (styles, demodulation, convolutions, colours) is written as an ONNX graph
with its weights baked in and run by ONNX Runtime; our half is `crates/synth/benches/peer.rs`. First the pictures are
compared, then both draw by turns, each twice with the second time counted, so that noise of the machine meets both.
Run it through draw.sh.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open

ROUNDS = 101
GAIN = np.float32(np.sqrt(2))
TOLERANCE = 1e-3


class Graph:
    """An ONNX graph under construction: every call adds a node and gives the name of its result."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, *inputs, **attributes):
        name = f"n{len(self.nodes)}"
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


def f32(*values):
    return np.array(values, dtype=np.float32)


def network(architecture, tensors):
    """The synthesis network as an ONNX model from w [1, w_dim] to the picture [1, 3, H, W]."""
    if architecture["noise"] != "none":
        sys.exit("this comparison has no noise inputs; use a model trained without noise")
    graph, way, clamp = Graph(), architecture["upsample"], architecture.get("conv_clamp")
    fir = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16

    def bilinear(x):
        return graph.add("Resize", x, f32(), f32(1, 1, 2, 2), mode="linear", coordinate_transformation_mode="half_pixel")

    def filtered(x, channels, pads):
        return graph.add("Conv", x, np.tile(fir, (channels, 1, 1, 1)), group=channels, pads=pads)

    def style(name):
        weight, bias = tensors[name + ".affine.weight"], tensors[name + ".affine.bias"]
        return graph.add("Gemm", "w", weight, bias, transB=1)

    def scaled(x, factors, channels):
        return graph.add("Mul", x, graph.add("Reshape", factors, np.array([1, channels, 1, 1])))

    def clamped(x):
        return graph.add("Clip", x, f32(-clamp).reshape(()), f32(clamp).reshape(())) if clamp else x

    x, picture = graph.constant(tensors["synthesis.b4.const"][None]), None
    for block, channels in enumerate(architecture["channels"]):
        resolution = f"synthesis.b{4 << block}"
        for conv in ["conv1"] if block == 0 else ["conv0", "conv1"]:
            name = f"{resolution}.{conv}"
            weight = tensors[name + ".weight"]
            s = style(name)
            x = scaled(x, s, weight.shape[1])
            if conv == "conv0" and way == "up_conv":
                x = graph.add("Conv", bilinear(x), weight, pads=[1] * 4)
            elif conv == "conv0" and way == "stylegan2":
                spread = graph.add("ConvTranspose", x, weight.transpose(1, 0, 2, 3), strides=[2, 2])
                x = filtered(spread, channels, [1] * 4)
            else:
                x = graph.add("Conv", x, weight, pads=[1] * 4)
            # The gain of the activation goes into demodulation and bias here as it does on our side.
            energy = np.square(weight).sum((2, 3)) / GAIN**2
            sums = graph.add("Gemm", graph.add("Mul", s, s), energy, f32(1e-8 / GAIN**2), transB=1)
            x = scaled(x, graph.add("Reciprocal", graph.add("Sqrt", sums)), channels)
            if conv == "conv0" and way == "conv_up":
                x = bilinear(x)
            x = graph.add("Add", x, (tensors[name + ".bias"] * GAIN).reshape(1, -1, 1, 1))
            x = clamped(graph.add("LeakyRelu", x, alpha=0.2))
        name = f"{resolution}.torgb"
        colours = graph.add("Conv", scaled(x, style(name), channels), tensors[name + ".weight"], tensors[name + ".bias"])
        colours = clamped(colours)
        if picture is None:
            picture = colours
        elif way == "stylegan2":
            spread = graph.add("ConvTranspose", picture, np.tile(fir, (3, 1, 1, 1)), group=3, strides=[2, 2], pads=[1] * 4)
            picture = graph.add("Add", spread, colours)
        else:
            picture = graph.add("Add", bilinear(picture), colours)
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, architecture["w_dim"]])
    out = helper.make_tensor_value_info(picture, TensorProto.FLOAT, None)
    model = helper.make_graph(graph.nodes, "synthesis", [w], [out], graph.constants)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def ours():
    """Builds our half and gives the path of its program."""
    build = ["cargo", "bench", "-p", "tadne-synth", "--bench", "peer", "--no-run", "--message-format=json"]
    for line in subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "peer":
            return message["executable"]
    sys.exit("cargo built no program named peer")


def compare(program, path):
    with safe_open(path, "np") as file:
        architecture = json.loads(file.metadata()["architecture"])
        tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
    runtime = session(network(architecture, tensors))
    with subprocess.Popen([program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def ask(request):
            process.stdin.write(request + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        simd = process.stdout.readline().strip()
        worst = 0.0
        for seed in range(3):
            with tempfile.NamedTemporaryFile() as raw:
                if ask(f"raw {seed} {raw.name}") != "done":
                    sys.exit(f"{path}: our half gave no picture")
                numbers = np.fromfile(raw.name, dtype="<f4")
            w, picture = numbers[: architecture["w_dim"]], numbers[architecture["w_dim"] :]
            worst = max(worst, np.abs(runtime.run(None, {"w": w[None]})[0].ravel() - picture).max())
        if not worst < TOLERANCE:
            sys.exit(f"{path}: the pictures differ by {worst:.2e}, more than {TOLERANCE}: nothing to compare")

        times = {"onnxruntime": [], "ours": []}
        for round_ in range(ROUNDS):
            times["ours"].append(float(ask(f"time {round_}")))
            runtime.run(None, {"w": w[None]})
            start = time.perf_counter()
            runtime.run(None, {"w": w[None]})
            times["onnxruntime"].append((time.perf_counter() - start) * 1e3)
        process.stdin.close()
    ratio = statistics.median(peer / own for peer, own in zip(times["onnxruntime"], times["ours"]))
    print(f"{path}: {architecture['channels']} {architecture['upsample']}, pictures agree to {worst:.1e}")
    for name, label in (("onnxruntime", f"ONNX Runtime {onnxruntime.__version__}"), ("ours", f"this project ({simd})")):
        print(f"  {label:26} {statistics.median(times[name]):8.3f} ms median, {min(times[name]):8.3f} ms fastest")
    print(f"  ratio {ratio:.2f} (median of {ROUNDS} pairs, 1 thread, batch 1)")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: draw.sh MODEL_FILE ...")
    built = ours()
    for name in sys.argv[1:]:
        compare(built, name)
