"""Writes gradients.json: what PyTorch's autograd gives for the gradients of small networks like the trainer's.

    python gradients.py [--check]

Nothing here comes from the trainer: the networks are written from their published definitions (StyleGAN2, arXiv 1912.04958; minibatch deviation,
arXiv 1710.10196) in plain operations that autograd differentiates. Weights and inputs are Philox numbers, which crates/gan/src/tape/golden.rs draws
alike; it compares the trainer's gradients with this file. All is computed in 64 bits from 32-bit inputs. Of each tensor the file has three numbers:
its norm and its products with two fixed vectors of standard normal numbers, which a wrong value at any place changes.

The penalty goes another road than the trainer: there the slope of D along a direction is the derivative of each layer in turn (a tangent), here it
is the product of D's gradient at the pictures with that direction, differentiated once more. As in the trainer, the slope of the minibatch deviation
counts as constant when the penalty is differentiated.

--check also computes in 32 bits and prints how far that is from 64, and how near zero the activations come: a leaky ReLU has no gradient there.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

ROOT2 = math.sqrt(2)
# Inputs, weights and vectors are told apart by these seeds. That of the inputs keeps all activations 4e-5 from zero, where a rounding would change a
# sign and with it a gradient.
INPUT, WEIGHT, BIAS, VECTORS = 199, 21, 31, (41, 42)

G = {"z_dim": 10, "w_dim": 20, "channels": [40, 24, 12], "batch": 3, "fade": 0.7}
D = {
    "d": {"channels": [40, 24, 12], "group": 2, "features": 4, "entrances": 1, "pool_first": True, "batch": 6, "fade": 0.6, "of": [4, 5, 0, 1]},
    "d_plain": {"channels": [20, 16], "group": 4, "features": 1, "entrances": 0, "pool_first": False, "batch": 8, "fade": 1.0, "of": [4, 5, 6, 7]},
}


# ---- Numbers ---------------------------------------------------------------------------------------------------------------


def philox(counter, key):
    """Philox4x32-10 (Salmon et al., SC 2011) of counters [n, 4]."""
    c, k, low = counter.astype(np.uint64), [np.uint64(key & 0xFFFFFFFF), np.uint64(key >> 32)], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[:, 0] * np.uint64(0xD2511F53), c[:, 2] * np.uint64(0xCD9E8D57)
        c = np.stack([(b >> np.uint64(32)) ^ c[:, 1] ^ k[0], b & low, (a >> np.uint64(32)) ^ c[:, 3] ^ k[1], a & low], 1)
        k = [(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low]
    return c


def normal(seed, stream, shape):
    """Standard normal numbers by Box and Muller from blocks of four words, as 32-bit floats."""
    n = math.prod(shape)
    counter = np.zeros(((n + 3) // 4, 4), np.uint64)
    counter[:, 0], counter[:, 1] = np.arange(len(counter)), stream
    u = (philox(counter, seed).astype(np.float64) + 0.5) / 2**32
    radius, angle = np.sqrt(-2 * np.log(u[:, ::2])), 2 * np.pi * u[:, 1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 2).reshape(-1)[:n].astype(np.float32).reshape(shape)


class Tensors:
    """A network's stored tensors in the trainer's order, and the effective ones: each times its gain."""

    def __init__(self, dtype):
        self.stored, self.gains, self.dtype = {}, {}, dtype

    def add(self, name, shape, std, mean, gain):
        """`shape` is that of the trainer's memory: [height, width, in, out] for windows, [height, width, channels] for the constant."""
        stream = len(self.stored)
        value = (normal(WEIGHT, stream, shape).astype(np.float64) * std + mean).astype(np.float32)
        if name.endswith(".bias"):
            # Biases that are zero have nothing to show.
            value = (value + np.float32(0.2 / gain) * normal(BIAS, stream, shape)).astype(np.float32)
        self.stored[name] = torch.tensor(value, dtype=self.dtype, requires_grad=True)
        self.gains[name] = gain

    def linear(self, name, out, inputs, multiplier=1.0, bias=0.0):
        self.add(f"{name}.weight", (out, inputs), 1 / multiplier, 0, multiplier / math.sqrt(inputs))
        self.add(f"{name}.bias", (out,), 0, bias / multiplier, multiplier)

    def conv(self, name, out, inputs, k, bias=True):
        self.add(f"{name}.weight", (k, k, inputs, out), 1, 0, 1 / math.sqrt(inputs * k * k))
        if bias:
            self.add(f"{name}.bias", (out,), 0, 0, 1.0)

    def __getitem__(self, name):
        value = self.stored[name] * self.gains[name]
        return value.permute(3, 2, 0, 1) if value.dim() == 4 else value

    def gradients(self, of):
        found = torch.autograd.grad(of, list(self.stored.values()), allow_unused=True)
        # The last bias has no part in a slope.
        return {name: torch.zeros_like(v) if g is None else g for (name, v), g in zip(self.stored.items(), found)}


def activate(x, gain=ROOT2):
    return F.leaky_relu(x, 0.2) * gain


# ---- Networks --------------------------------------------------------------------------------------------------------------


def generator(dtype):
    t, c, w_dim = Tensors(dtype), G["channels"], G["w_dim"]
    t.linear("mapping.fc0", w_dim, G["z_dim"], 0.01)
    t.linear("mapping.fc1", w_dim, w_dim, 0.01)
    t.add("synthesis.b4.const", (4, 4, c[0]), 1, 0, 1.0)
    for i, out in enumerate(c):
        b = f"synthesis.b{4 << i}"
        if i:
            t.conv(f"{b}.conv0", out, c[i - 1], 3)
            t.linear(f"{b}.conv0.affine", c[i - 1], w_dim, bias=1.0)
        t.conv(f"{b}.conv1", out, out, 3)
        t.linear(f"{b}.conv1.affine", out, w_dim, bias=1.0)
        t.conv(f"{b}.torgb", 3, out, 1)
        t.linear(f"{b}.torgb.affine", out, w_dim, bias=1.0)
    return t


def double(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def modulated(t, name, x, w, demodulate):
    """Every picture has weights of its own, as the paper has it: a grouped convolution."""
    style = F.linear(w, t[f"{name}.affine.weight"], t[f"{name}.affine.bias"])
    weight = t[f"{name}.weight"][None] * style[:, None, :, None, None]
    if demodulate:
        weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    n, out, inputs, k, _ = weight.shape
    y = F.conv2d(x.reshape(1, n * inputs, *x.shape[2:]), weight.reshape(n * out, inputs, k, k), padding=k // 2, groups=n)
    return y.view(n, out, *x.shape[2:]) + t[f"{name}.bias"][None, :, None, None]


def draw(t, z):
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for k in range(2):
        w = activate(F.linear(w, t[f"mapping.fc{k}.weight"], t[f"mapping.fc{k}.bias"]))
    x = t["synthesis.b4.const"].permute(2, 0, 1)[None].repeat(len(z), 1, 1, 1)
    pictures, last = 0, len(G["channels"]) - 1
    for i in range(last + 1):
        b = f"synthesis.b{4 << i}"
        if i:
            x = activate(double(modulated(t, f"{b}.conv0", x, w, True)))
            pictures = double(pictures)
        x = activate(modulated(t, f"{b}.conv1", x, w, True))
        pictures = pictures + modulated(t, f"{b}.torgb", x, w, False) * (G["fade"] if i == last else 1.0)
    return pictures


def discriminator(how, dtype):
    t, c = Tensors(dtype), how["channels"]
    last = len(c) - 1
    for i in range(last, -1, -1):
        b = f"b{4 << i}"
        if i >= last - how["entrances"]:
            t.conv(f"{b}.from_rgb", c[i], 3, 3)
        if i:
            t.conv(f"{b}.conv0", c[i], c[i], 3)
            t.conv(f"{b}.conv1", c[i - 1], c[i], 3)
            t.conv(f"{b}.skip", c[i - 1], c[i], 1, bias=False)
    t.conv("b4.conv", c[0], c[0] + how["features"], 3)
    t.linear("b4.fc", c[0], 16 * c[0])
    t.linear("b4.out", 1, c[0])
    return t


def deviation(x, group, features):
    """Per group and part of the channels: the mean over channels and places of the standard deviation in the group."""
    n, c, h, w = x.shape
    std = (x.view(n // group, group, c, h, w).var(1, unbiased=False) + 1e-8).sqrt()
    return std.view(n // group, features, -1).mean(2).repeat_interleave(group, 0)


def straight(x, group, features):
    """The deviation with its slope held: the same value and derivative at `x`, but no second derivative."""
    at = x.detach().requires_grad_()
    held = deviation(at, group, features)
    spread = []
    for part in range(features):
        # A row a picture, all of a group alike: 1 / group of the sum over them is the group's.
        (slope,) = torch.autograd.grad(held[:, part].sum() / group, at, retain_graph=True)
        along = (slope * (x - x.detach())).flatten(1).sum(1)
        spread.append(along.view(-1, group).sum(1).repeat_interleave(group, 0))
    return held.detach() + torch.stack(spread, 1)


def judge(t, how, pictures, spread):
    conv = lambda x, name: F.conv2d(x, t[f"{name}.weight"], t[f"{name}.bias"], padding=1)
    c, last = how["channels"], len(how["channels"]) - 1
    x = activate(conv(pictures, f"b{4 << last}.from_rgb"))
    for i in range(last, 0, -1):
        b = f"b{4 << i}"
        y = activate(conv(x, f"{b}.conv0"))
        # The branch's gain and the 1 / sqrt 2 of the sum cancel.
        if how["pool_first"]:
            y = activate(conv(F.avg_pool2d(y, 2), f"{b}.conv1"), 1.0)
        else:
            y = F.avg_pool2d(activate(conv(y, f"{b}.conv1"), 1.0), 2)
        x = y + F.conv2d(F.avg_pool2d(x, 2), t[f"{b}.skip.weight"]) / ROOT2
        if i - 1 >= last - how["entrances"]:
            pictures = F.avg_pool2d(pictures, 2)
            share = how["fade"] if i == last else 1.0
            x = (1 - share) * activate(conv(pictures, f"b{4 << (i - 1)}.from_rgb")) + share * x
    more = spread(x, how["group"], how["features"])[:, :, None, None].expand(-1, -1, 4, 4)
    x = activate(conv(torch.cat([x, more], 1), "b4.conv"))
    # The trainer's rows are [place, channel].
    x = activate(F.linear(x.permute(0, 2, 3, 1).flatten(1), t["b4.fc.weight"], t["b4.fc.bias"]))
    return F.linear(x, t["b4.out.weight"], t["b4.out.bias"])[:, 0]


# ---- What is written -------------------------------------------------------------------------------------------------------


def summary(stream, value):
    flat = value.detach().double().reshape(-1).numpy()
    return [float(np.linalg.norm(flat))] + [float(flat @ normal(seed, stream, flat.shape).astype(np.float64)) for seed in VECTORS]


def summaries(tensors):
    return {name: summary(i, value) for i, (name, value) in enumerate(tensors.items())}


def inputs(stream, shape, dtype):
    return torch.tensor(normal(INPUT, stream, shape), dtype=dtype)


def of_generator(dtype):
    t, size = generator(dtype), 4 << (len(G["channels"]) - 1)
    pictures = draw(t, inputs(0, (G["batch"], G["z_dim"]), dtype))
    loss = (pictures * inputs(1, (G["batch"], 3, size, size), dtype)).sum()
    return {"pictures": pictures} | t.gradients(loss)


def of_discriminator(how, dtype):
    t, size = discriminator(how, dtype), 4 << (len(how["channels"]) - 1)
    pictures = inputs(2, (how["batch"], 3, size, size), dtype).requires_grad_()
    logits = judge(t, how, pictures, deviation)
    loss = (logits * inputs(3, (how["batch"],), dtype)).sum()
    (at_pictures,) = torch.autograd.grad(loss, pictures, retain_graph=True)
    return {"logits": logits, "at pictures": at_pictures} | t.gradients(loss)


def of_penalty(how, dtype):
    t, size = discriminator(how, dtype), 4 << (len(how["channels"]) - 1)
    pictures = inputs(2, (how["batch"], 3, size, size), dtype).requires_grad_()
    directions = torch.zeros_like(pictures)
    directions[how["of"]] = inputs(4, (len(how["of"]), 3, size, size), dtype)
    # slope_i is the derivative of logit i along all directions: that of the product with a factor a logit, in the factors.
    factors = torch.ones(how["batch"], dtype=dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad((factors * judge(t, how, pictures, straight)).sum(), pictures, create_graph=True)
    (slopes,) = torch.autograd.grad((gradient * directions).sum(), factors, create_graph=True)
    return {"slopes": slopes[how["of"]]} | t.gradients(slopes.square().sum())


def everything(dtype):
    all = {"g": of_generator(dtype)}
    for name, how in D.items():
        all |= {name: of_discriminator(how, dtype), f"{name} penalty": of_penalty(how, dtype)}
    return all


def check(golden):
    """How far 32 bits are from 64, and that the straightened deviation has the deviation's own value and slope."""
    for (part, tensors), exact in zip(everything(torch.float32).items(), golden.values()):
        error = lambda name: ((tensors[name] - exact[name]).norm() / exact[name].norm().clamp_min(1e-30)).item()
        worst = max(tensors, key=error)
        print(f"{part}: 32 bits differ from 64 by {error(worst):.1e} of the norm at most, at {worst}")
    how = D["d"]
    x = inputs(5, (how["batch"], how["channels"][0], 4, 4), torch.float64).requires_grad_()
    weights = inputs(6, (how["batch"], how["features"]), torch.float64)
    values = [f(x, how["group"], how["features"]) for f in (deviation, straight)]
    slopes = [torch.autograd.grad((v * weights).sum(), x)[0] for v in values]
    for a, b in (values, slopes):
        assert torch.allclose(a, b, rtol=1e-12), "the straightened deviation is another function"


def main():
    least = [math.inf]
    plain = F.leaky_relu

    def watched(x, slope):
        least[0] = min(least[0], x.detach().abs().min().item())
        return plain(x, slope)

    F.leaky_relu = watched
    golden = everything(torch.float64)
    F.leaky_relu = plain
    print(f"the activation nearest to zero: {least[0]:.1e}")
    text = {"made by": f"gradients.py, PyTorch {torch.__version__.split('+')[0]}"}
    text |= {part: summaries(tensors) for part, tensors in golden.items()}
    if "--check" in sys.argv:
        check(golden)
    lines = ",\n".join(f"{json.dumps(k)}: " + json.dumps(v).replace('], "', '],\n  "') for k, v in text.items())
    Path(__file__).with_name("gradients.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
