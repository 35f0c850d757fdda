"""The synthesis network, from w to the picture, for the peers: as an ONNX graph and as a PyTorch function.

Both read the tensors of a model file and do what crates/synth/src/reference.rs says, in the layers each runtime is
fastest with: styles scale the input, demodulation scales the result, the activation's gain goes into demodulation and
bias. Noise inputs are left out.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

GAIN = np.float32(np.sqrt(2))
FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 16


def f32(*values):
    return np.array(values, dtype=np.float32)


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


def layers(architecture):
    """Each block's number of channels, its name and the names of its convolutions."""
    for block, channels in enumerate(architecture["channels"]):
        name = f"synthesis.b{4 << block}"
        yield channels, name, [f"{name}.conv1"] if block == 0 else [f"{name}.conv0", f"{name}.conv1"]


def ink_convs(ink):
    """The names of the ink network's convolutions: the first, those of each block in pairs, the last."""
    return "ink.conv_in", [[f"ink.b{block}.conv{k}" for k in (0, 1)] for block in range(ink["blocks"])], "ink.conv_out"


def places(side):
    """Where each pixel of a picture is: two planes [1, 2, side, side], across and down, from -1 to 1."""
    line = np.linspace(-1, 1, side, dtype=np.float32)
    return np.stack(np.broadcast_arrays(line[None, :], line[:, None]))[None].copy()


def onnx_network(architecture, tensors, batch):
    """An ONNX model from w [batch, w_dim] to pictures [batch, 3, H, W]."""
    graph, way, clamp = Graph(), architecture["upsample"], architecture.get("conv_clamp")

    def bilinear(x):
        return graph.add("Resize", x, f32(), f32(1, 1, 2, 2), mode="linear", coordinate_transformation_mode="half_pixel")

    def style(name):
        return graph.add("Gemm", "w", tensors[name + ".affine.weight"], tensors[name + ".affine.bias"], transB=1)

    def scaled(x, factors, channels):
        return graph.add("Mul", x, graph.add("Reshape", factors, np.array([batch, channels, 1, 1])))

    def clamped(x):
        return graph.add("Clip", x, f32(-clamp).reshape(()), f32(clamp).reshape(())) if clamp else x

    x, picture = graph.constant(tensors["synthesis.b4.const"][None]), None
    for channels, block, convs in layers(architecture):
        for name in convs:
            weight, doubles = tensors[name + ".weight"], name.endswith("conv0")
            s = style(name)
            x = scaled(x, s, weight.shape[1])
            if doubles and way == "up_conv":
                x = graph.add("Conv", bilinear(x), weight, pads=[1] * 4)
            elif doubles and way == "stylegan2":
                spread = graph.add("ConvTranspose", x, weight.transpose(1, 0, 2, 3), strides=[2, 2])
                x = graph.add("Conv", spread, np.tile(FIR, (channels, 1, 1, 1)), group=channels, pads=[1] * 4)
            else:
                x = graph.add("Conv", x, weight, pads=[1] * 4)
            energy = np.square(weight).sum((2, 3)) / GAIN**2
            sums = graph.add("Gemm", graph.add("Mul", s, s), energy, f32(1e-8 / GAIN**2), transB=1)
            x = scaled(x, graph.add("Reciprocal", graph.add("Sqrt", sums)), channels)
            if doubles and way == "conv_up":
                x = bilinear(x)
            x = graph.add("Add", x, (tensors[name + ".bias"] * GAIN).reshape(1, -1, 1, 1))
            x = clamped(graph.add("LeakyRelu", x, alpha=0.2))
        name = f"{block}.torgb"
        colours = graph.add("Conv", scaled(x, style(name), channels), tensors[name + ".weight"], tensors[name + ".bias"])
        colours = clamped(colours)
        if picture is None:
            picture = colours
        elif way == "stylegan2":
            spread = graph.add("ConvTranspose", picture, np.tile(FIR, (3, 1, 1, 1)), group=3, strides=[2, 2], pads=[1] * 4)
            picture = graph.add("Add", spread, colours)
        else:
            picture = graph.add("Add", bilinear(picture), colours)
    if ink := architecture.get("ink"):

        def conv(x, name):
            return graph.add("Conv", x, tensors[name + ".weight"], tensors[name + ".bias"], pads=[1] * 4)

        def leaky(x):
            return graph.add("LeakyRelu", x, alpha=0.2)

        small = graph.add("Clip", picture, f32(-1).reshape(()), f32(1).reshape(()))
        where = np.repeat(places(architecture["base"][0] << (len(architecture["channels"]) - 1)), batch, 0)
        first, blocks, last = ink_convs(ink)
        y = leaky(conv(graph.add("Concat", small, where, axis=1), first))
        for conv0, conv1 in blocks:
            y = graph.add("Add", y, leaky(conv(leaky(conv(y, conv0)), conv1)))
        fine = graph.add("DepthToSpace", conv(y, last), blocksize=ink["factor"], mode="CRD")
        scale = f32(1, 1, ink["factor"], ink["factor"])
        large = graph.add("Resize", small, f32(), scale, mode="linear", coordinate_transformation_mode="half_pixel")
        picture = graph.add("Add", large, fine)
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, [batch, architecture["w_dim"]])
    out = helper.make_tensor_value_info(picture, TensorProto.FLOAT, None)
    model = helper.make_graph(graph.nodes, "synthesis", [w], [out], graph.constants)
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def torch_network(architecture, tensors):
    """A function from w [n, w_dim] to pictures [n, 3, H, W], both PyTorch tensors."""
    import torch
    from torch.nn import functional as F

    t = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in tensors.items()}
    way, clamp = architecture["upsample"], architecture.get("conv_clamp")
    fir = torch.from_numpy(FIR)
    gain = float(GAIN)
    energies = {n: t[n].square().sum((2, 3)) / gain**2 for n in t if n.endswith((".conv0.weight", ".conv1.weight"))}

    def bilinear(x):
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

    def style(name, w):
        return F.linear(w, t[name + ".affine.weight"], t[name + ".affine.bias"])

    def clamped(x):
        return x.clamp(-clamp, clamp) if clamp else x

    ink = architecture.get("ink")
    if ink is not None:
        where = torch.from_numpy(places(architecture["base"][0] << (len(architecture["channels"]) - 1)))

    def conv(x, name):
        return F.conv2d(x, t[name + ".weight"], t[name + ".bias"], padding=1)

    def redrawn(small):
        first, blocks, last = ink_convs(ink)
        y = F.leaky_relu(conv(torch.cat([small, where.expand(len(small), -1, -1, -1)], 1), first), 0.2)
        for conv0, conv1 in blocks:
            y = y + F.leaky_relu(conv(F.leaky_relu(conv(y, conv0), 0.2), conv1), 0.2)
        large = F.interpolate(small, scale_factor=ink["factor"], mode="bilinear", align_corners=False)
        return large + F.pixel_shuffle(conv(y, last), ink["factor"])

    @torch.inference_mode()
    def network(w):
        x, picture = t["synthesis.b4.const"][None], None
        for channels, block, convs in layers(architecture):
            for name in convs:
                weight, doubles = t[name + ".weight"], name.endswith("conv0")
                s = style(name, w)
                x = x * s[:, :, None, None]
                if doubles and way == "up_conv":
                    x = F.conv2d(bilinear(x), weight, padding=1)
                elif doubles and way == "stylegan2":
                    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
                    x = F.conv2d(x, fir.expand(channels, 1, 4, 4), groups=channels, padding=1)
                else:
                    x = F.conv2d(x, weight, padding=1)
                scale = torch.rsqrt(F.linear(s.square(), energies[name + ".weight"]) + 1e-8 / gain**2)
                x = x * scale[:, :, None, None]
                if doubles and way == "conv_up":
                    x = bilinear(x)
                x = clamped(F.leaky_relu(x + (t[name + ".bias"] * gain)[:, None, None], 0.2))
            name = f"{block}.torgb"
            s = style(name, w)[:, :, None, None]
            colours = clamped(F.conv2d(x * s, t[name + ".weight"], t[name + ".bias"]))
            if picture is None:
                picture = colours
            elif way == "stylegan2":
                picture = F.conv_transpose2d(picture, fir.expand(3, 1, 4, 4), stride=2, padding=1, groups=3) + colours
            else:
                picture = bilinear(picture) + colours
        return picture if ink is None else redrawn(picture.clamp(-1, 1))

    return network
