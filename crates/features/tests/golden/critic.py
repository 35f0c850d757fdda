"""Writes critic.json: what PyTorch's autograd gives for small feature critics like the trainer's.

    python critic.py [--check]

Nothing here comes from the trainer: mixing and heads are written from their published definitions (projected GAN, arXiv 2111.01007; spectral norm,
arXiv 1802.05957) in plain operations that autograd differentiates. Weights and inputs are numbers of a linear congruential generator, which the tests
draw alike; all is computed in 64 bits from 32-bit inputs. Of each gradient the file has three numbers: its norm and its products with two drawn
vectors, which a wrong value at any place changes. Of each answer it has the mean of what was asked and the mean output.

"heads" are mixing and heads on drawn taps, with the gradients to all tensors of the heads and to the taps (crates/features/src/critic/tests.rs).
"pictures" are whole critics on the small network of crates/features/tests/common/mod.rs, which see pictures as they are or at another size, with the
gradient to the pictures (crates/features/tests/critic.rs).

--check also computes in 32 bits and prints how far that is from 64, and how many outputs each hinge stops.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

# Seeds of the numbers and of the vectors. The first two keep all values 2e-5 from the kinks of activations, hinges and poolings, where a rounding
# would change a slope.
HEADS, PICTURES, NETWORK, VECTORS = 37, 20, 7, 77
GROUP, WIDEST = 8, 128

TAPS = {"taps": [[8, 6, 3], [4, 3, 5], [2, 2, 4]], "channels": [4, 6, 5], "batch": 18}
WHOLE = {"channels": [8, 16], "side": 10, "batch": 17, "sizes": {"as they are": 10, "at 14": 14}}

QUESTIONS = {"Real": lambda f: (1 - f).relu(), "Drawn": lambda f: (1 + f).relu(), "Score": lambda f: f}


# ---- Numbers ---------------------------------------------------------------------------------------------------------------


class Values:
    def __init__(self, seed):
        self.state = seed

    def draw(self, *shape):
        """Numbers in -1..1, as 32-bit floats."""
        numbers = np.empty(math.prod(shape))
        for i in range(len(numbers)):
            self.state = (self.state * 1103515245 + 12345) % 2**31
            numbers[i] = self.state / 2**31 * 2 - 1
        return torch.tensor(numbers.astype(np.float32).reshape(shape))


least = {}


def watch(what, distance):
    """Keeps the smallest distance from a kink."""
    least[what] = min(least.get(what, math.inf), distance.detach().abs().min().item())


# ---- The frozen network ----------------------------------------------------------------------------------------------------


def same(x, k, stride, value=0.0):
    """As much padding as makes the output ceil(n / stride), the odd one below and to the right."""
    pads = []
    for n in reversed(x.shape[2:]):
        total = max((-(-n // stride) - 1) * stride + k - n, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def network(dtype):
    """The taps of pictures in -1..1."""
    values, w = Values(NETWORK), {}
    for name, shape in {"c0": (8, 3, 3, 3), "c1": (8, 1, 5, 5), "c2": (8, 8, 1, 1), "c3": (4, 8, 1, 3)}.items():
        w[name] = values.draw(*shape).to(dtype), values.draw(shape[0]).to(dtype)
    mean, std = (torch.tensor(v, dtype=dtype)[:, None, None] for v in ([0.5, 0.4, 0.3], [0.5, 0.25, 0.2]))

    def relu6(x):
        watch("relu6", x)
        watch("relu6", x - 6)
        return F.relu6(x)

    def run(pictures):
        x = ((pictures + 1) / 2 - mean) / std
        x = relu6(F.conv2d(same(x, 3, 2), *w["c0"], stride=2))
        fine = x + F.conv2d(relu6(F.conv2d(same(x, 5, 1), *w["c1"], groups=8)), *w["c2"])
        padded = same(fine, 3, 2, -math.inf)
        most = padded.unfold(2, 3, 2).unfold(3, 3, 2).flatten(4).topk(2).values
        watch("max pool", most[..., 0] - most[..., 1])
        x = F.max_pool2d(padded, 3, 2)
        side = F.conv2d(x, *w["c3"], padding=(0, 1))
        watch("relu", side)
        return [fine, torch.cat([F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), side.relu()], 1)]

    return run


# ---- The critic ------------------------------------------------------------------------------------------------------------


def resize(x, size):
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class Critic:
    def __init__(self, tap_channels, channels):
        self.channels, taps = channels, len(channels)
        self.own = list(zip(channels, tap_channels))
        self.coarser = list(zip(channels, channels[1:]))
        # All but the coarsest grid come down to the size of the last but one.
        self.heads = []
        for tap, inputs in enumerate(channels):
            layers = []
            for down in range(max(taps - 2 - tap, 0)):
                layers.append((f"down{down}", 2, inputs, min(2 * inputs, WIDEST)))
                inputs = layers[-1][3]
            layers += [("conv", 1, inputs, WIDEST), ("out", 1, WIDEST, 1)]
            self.heads.append([(f"head{tap}.{name}", *rest) for name, *rest in layers])

    def draw_mixing(self, values, dtype):
        self.matrices = [values.draw(*shape).to(dtype) for shape in self.own + self.coarser]

    def draw_heads(self, values, dtype):
        layers = [layer for head in self.heads for layer in head]
        self.weights, self.norms = {}, {}
        for name, _, inputs, out in layers:
            for part, shape in (("weight", (3, 3, inputs, out)), ("bias", (out,))):
                self.weights[f"{name}.{part}"] = values.draw(*shape).to(dtype).requires_grad_()
        for name, _, inputs, out in layers:
            self.norms[name] = values.draw(out).to(dtype), values.draw(9 * inputs).to(dtype)

    def mix(self, taps):
        apply = lambda matrix, x: torch.einsum("oi,nihw->nohw", matrix, x)
        grids = [apply(matrix, tap) for matrix, tap in zip(self.matrices, taps)]
        for i in reversed(range(len(taps) - 1)):
            grids[i] = grids[i] + apply(self.matrices[len(taps) + i], resize(grids[i + 1], grids[i].shape[2:]))
        return grids

    def judge(self, head, x):
        count = len(x)
        groups = max(count // GROUP, 1)
        edges = [i * count // groups for i in range(groups + 1)]
        for name, stride, inputs, out in self.heads[head]:
            weight, bias, (u, v) = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], self.norms[name]
            sigma = torch.einsum("i,io,o->", v, weight.reshape(9 * inputs, out), u)
            x = F.conv2d(x, (weight / sigma).permute(3, 2, 0, 1), stride=stride, padding=1)
            if not name.endswith(".out"):
                parts = [F.batch_norm(x[a:b], None, None, training=True, eps=1e-5) for a, b in zip(edges, edges[1:])]
                x = torch.cat(parts)
            x = x + bias[:, None, None]
            if not name.endswith(".out"):
                watch("leaky ReLU", x)
                x = F.leaky_relu(x, 0.2)
        watch("hinge", x - 1)
        watch("hinge", x + 1)
        return x

    def outputs(self, taps):
        return [self.judge(head, grid) for head, grid in enumerate(self.mix(taps))]


# ---- What is written -------------------------------------------------------------------------------------------------------


def answers(outputs, to):
    """To each question the answer and the gradients to the tensors `to`."""
    mean = lambda f: sum(f(x).mean() for x in outputs) / len(outputs)
    found = {}
    for name, question in QUESTIONS.items():
        value = mean(question)
        gradients = torch.autograd.grad(value, list(to.values()), retain_graph=True)
        found[name] = {"answer": torch.stack([value, mean(lambda f: f)])} | dict(zip(to, gradients))
    return found


def of_heads(dtype):
    values, n = Values(HEADS), TAPS["batch"]
    critic = Critic([tap[2] for tap in TAPS["taps"]], TAPS["channels"])
    critic.draw_mixing(values, dtype)
    # The trainer's channels are last.
    taps = {f"tap{i}": values.draw(n, *tap).to(dtype).requires_grad_() for i, tap in enumerate(TAPS["taps"])}
    critic.draw_heads(values, dtype)
    outputs = critic.outputs([tap.permute(0, 3, 1, 2) for tap in taps.values()])
    return outputs, answers(outputs, critic.weights | taps)


def of_pictures(size, dtype):
    values, side = Values(PICTURES), WHOLE["side"]
    critic = Critic([8, 12], WHOLE["channels"])
    critic.draw_mixing(values, dtype)
    critic.draw_heads(values, dtype)
    pictures = values.draw(WHOLE["batch"], 3, side, side).to(dtype).requires_grad_()
    outputs = critic.outputs(network(dtype)(resize(pictures, [size, size])))
    return outputs, answers(outputs, {"pictures": pictures})


def everything(dtype):
    cases = {"heads": of_heads(dtype)}
    cases |= {f"pictures {name}": of_pictures(size, dtype) for name, size in WHOLE["sizes"].items()}
    return cases


def summary(tensors):
    values, written = Values(VECTORS), {}
    for name, value in tensors.items():
        flat = value.detach().flatten()
        if name == "answer":
            written[name] = flat.tolist()
        else:
            written[name] = [flat.norm().item()] + [(flat @ values.draw(len(flat)).double()).item() for _ in range(2)]
    return written


def check(golden):
    for (case, (_, rough)), (outputs, exact) in zip(everything(torch.float32).items(), golden.values()):
        stopped = [sum((sign * f.detach() >= 1).sum().item() for f in outputs) for sign in (1, -1)]
        print(f"{case}: of {sum(f.numel() for f in outputs)} outputs the hinges stop {stopped[0]} real and {stopped[1]} drawn")
        for question in QUESTIONS:
            error = lambda name: ((rough[question][name] - exact[question][name]).norm() / exact[question][name].norm()).item()
            worst = max(exact[question], key=error)
            print(f"  {question}: 32 bits differ from 64 by {error(worst):.1e} of the norm at most, at {worst}")


def main():
    golden = everything(torch.float64)
    print("nearest to a kink:", ", ".join(f"{what} {distance:.1e}" for what, distance in least.items()))
    if "--check" in sys.argv:
        check(golden)
    text = {"made by": f"critic.py, PyTorch {torch.__version__.split('+')[0]}"}
    for case, (_, found) in golden.items():
        text |= {f"{case}, {question}": summary(tensors) for question, tensors in found.items()}
    lines = ",\n".join(f"{json.dumps(k)}: " + json.dumps(v).replace('], "', '],\n  "') for k, v in text.items())
    Path(__file__).with_name("critic.json").write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
