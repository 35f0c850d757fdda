"""The trainer's networks and step in PyTorch, for its throughput: real pictures a second, a row a configuration.

    python train.py [THREADS] [c64|c128|64:256,256,192,96,48 ...] [batch=32] [penalty=tangent|jvp|double] [only=f32|bf16] [steps=10] [malloc=plain]
    python train.py check

The peer of `cargo bench -p tadne-gan --bench step`: the same layers, losses, augmentation, optimiser and averages in one stage, written as one
writes PyTorch that shall be fast:

- G draws once a step. D sees real and drawn pictures in a pass each, so that G's gradient walks back through the drawn ones alone, and no gradient
  of a weight is computed that nobody wants.
- Styles scale the input of a convolution and the demodulation its sums, so that all pictures share one; gains go into the weights.
- Channels last, fused Adam, averages of all tensors at once; bodies in bfloat16 with 32-bit weights, or all in 32 bits.
- The penalty along D's own gradient, which D's loss has left at the pictures, comes in three kinds. `tangent`, the fastest, runs D's derivative layer
  by layer with the signs of the pass that was made anyway; `jvp` leaves that to torch.func.jvp; `double` squares the gradient of a pass of its own and
  differentiates it again.
- glibc keeps the memory of large tensors instead of giving it back to the system at every step (malloc=plain: its default).

It trains on noise. `check` compares the three kinds' numbers.

The columns: milliseconds a step (median), pictures a second, processor milliseconds a picture (all threads, spinning included).
"""

import math
import os
import statistics
import sys
import time

KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20)}
if "malloc=plain" not in sys.argv and "MALLOC_MMAP_MAX_" not in os.environ and sys.platform == "linux":
    os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | KEPT)

import torch
import torch.nn.functional as F
from torch import nn

# crates/gan/src/config.rs
CONFIGS = {"c64": [192, 192, 128, 64, 32], "c128": [192, 192, 128, 64, 32, 32]}
Z, W, GROUP, PENALISED, GAMMA, DRIFT, P = 128, 256, 8, 0.25, 0.5, 0.01, 0.1
ROOT2 = math.sqrt(2)
LAST = torch.channels_last


def act(x):
    return F.leaky_relu(x, 0.2)


def upsample(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Weight(nn.Module):
    """An equalised weight with its bias, both times `factor` where they are used."""

    def __init__(self, *shape, multiplier=1.0, bias=0.0, factor=1.0, biased=True):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(*shape) / multiplier)
        self.raw_bias = nn.Parameter(torch.full((shape[0],), bias / multiplier)) if biased else None
        self.gain = factor * multiplier / math.sqrt(math.prod(shape[1:]))
        self.bias_gain = factor * multiplier

    def forward(self):
        return self.raw * self.gain, None if self.raw_bias is None else self.raw_bias * self.bias_gain


class Modulated(nn.Module):
    def __init__(self, cin, cout, kernel, up=False):
        super().__init__()
        self.conv, self.affine = Weight(cout, cin, kernel, kernel), Weight(cin, W, bias=1.0)
        self.kernel, self.up = kernel, up

    def forward(self, x, w):
        weight, bias = self.conv()
        style = F.linear(w, *self.affine())
        y = F.conv2d(x * style[:, :, None, None].to(x.dtype), weight.to(x.dtype), padding=self.kernel // 2)
        if self.kernel == 1:
            return y.float() + bias[None, :, None, None]
        scale = torch.rsqrt(style.square() @ weight.square().sum((2, 3)).t() + 1e-8) * ROOT2
        y = torch.addcmul((bias * ROOT2)[None, :, None, None].to(y.dtype), y, scale[:, :, None, None].to(y.dtype))
        return act(upsample(y) if self.up else y)


class Generator(nn.Module):
    def __init__(self, channels, dtype):
        super().__init__()
        self.map1, self.map2 = (Weight(W, n, multiplier=0.01, factor=ROOT2) for n in (Z, W))
        self.const, self.dtype = nn.Parameter(torch.randn(1, channels[0], 4, 4)), dtype
        self.ups = nn.ModuleList(Modulated(a, b, 3, up=True) for a, b in zip(channels, channels[1:]))
        self.convs = nn.ModuleList(Modulated(c, c, 3) for c in channels)
        self.rgbs = nn.ModuleList(Modulated(c, 3, 1) for c in channels)

    def forward(self, z):
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in (self.map1, self.map2):
            w = act(F.linear(w, *layer()))
        x = self.const.to(self.dtype).expand(len(z), -1, -1, -1).contiguous(memory_format=LAST)
        image = None
        for i, (conv, rgb) in enumerate(zip(self.convs, self.rgbs)):
            x = conv(self.ups[i - 1](x, w) if i else x, w)
            image = rgb(x, w) if image is None else upsample(image) + rgb(x, w)
        return image, w


class Discriminator(nn.Module):
    def __init__(self, channels, dtype):
        super().__init__()
        c, self.dtype = channels[::-1], dtype
        self.rgb = Weight(c[0], 3, 3, 3, factor=ROOT2)
        # The second convolution's activation gain and the sum's 1 / sqrt 2 cancel.
        self.stages = nn.ModuleList(
            nn.ModuleList([
                Weight(a, a, 3, 3, factor=ROOT2),
                Weight(b, a, 3, 3),
                Weight(b, a, 1, 1, factor=1 / ROOT2, biased=False),
            ])
            for a, b in zip(c, c[1:])
        )
        self.conv = Weight(c[-1], c[-1] + 1, 3, 3, factor=ROOT2)
        self.fc, self.out = Weight(c[-1], c[-1] * 16, factor=ROOT2), Weight(1, c[-1])

    def weights(self):
        """Effective weights in the order of use, made once a step."""
        body = [self.rgb, *(layer for stage in self.stages for layer in stage), self.conv]
        cast = lambda v: None if v is None else v.to(self.dtype)
        return [tuple(map(cast, layer())) for layer in body] + [self.fc(), self.out()]

    def run(self, x, weights, activate, bias, deviation):
        """Both the network and its derivative: they have the same linear parts."""
        weights = iter(weights)

        def conv(x, padding=1):
            weight, b = next(weights)
            return F.conv2d(x, weight, b if bias else None, padding=padding)

        x = activate(conv(x.to(self.dtype).contiguous(memory_format=LAST)))
        for _ in self.stages:
            y = F.avg_pool2d(activate(conv(x)), 2)
            y = activate(conv(y))
            x = y + conv(F.avg_pool2d(x, 2), padding=0)
        n, _, h, w = x.shape
        spread = deviation(x).to(x.dtype).repeat_interleave(GROUP).view(n, 1, 1, 1).expand(n, 1, h, w)
        x = activate(conv(torch.cat([x, spread], 1).contiguous(memory_format=LAST))).float().flatten(1)
        (fc, fc_bias), (out, out_bias) = weights
        if not bias:
            fc_bias = out_bias = None
        return F.linear(activate(F.linear(x, fc, fc_bias)), out, out_bias)[:, 0]

    def forward(self, x, weights, record=None):
        """Logits. `record` takes what tangents of the first pictures need: that many, and lists of activations and deviations' slopes."""
        groups = lambda x: x.float().unflatten(0, (-1, GROUP))

        def activate(x):
            y = act(x)
            if record is not None:
                record[1].append(y.detach()[: record[0]])
            return y

        def deviation(x):
            std = (groups(x).var(1, unbiased=False) + 1e-8).sqrt()
            if record is not None:
                with torch.no_grad():
                    some, n = groups(x[: record[0]]), record[0] // GROUP
                    record[1].append((some - some.mean(1, keepdim=True)) / (GROUP * std[:n, None] * std[0].numel()))
            return std.mean((1, 2, 3))

        return self.run(x, weights, activate, True, deviation)

    def tangent(self, directions, weights, recorded):
        """The derivative of logits along directions, at pictures whose activations were recorded."""
        recorded = iter(recorded)

        def activate(t):
            return torch.ops.aten.leaky_relu_backward(t, next(recorded), 0.2, True)

        def deviation(t):
            return (t.float().unflatten(0, (-1, GROUP)) * next(recorded)).sum((1, 2, 3, 4))

        return self.run(directions, weights, activate, False, deviation)


def augmentation(n, size, p=P):
    """One random transform a pair of pictures: colours, a shift of whole pixels with reflected borders, a hole."""
    coin = lambda: (torch.rand(n, 1, 1, 1) < p).float()
    signed = lambda: (torch.rand(n, 1, 1, 1) * 2 - 1) * coin()
    brightness, saturation, contrast = signed() * 0.4, 1 + signed() * 0.8, 1 + signed() * 0.5
    theta = torch.eye(2, 3).repeat(n, 1, 1)
    theta[:, :, 2] = (signed().view(n, 1) * size / 8).round() * 2 / size
    at = torch.arange(size) + 0.5
    near = lambda shape: ((at.view(shape) - torch.rand(n, 1, 1, 1) * size).abs() < size * 0.2).float()
    mask = 1 - near((1, 1, size, 1)) * near((1, 1, 1, size)) * coin()
    grid = F.affine_grid(theta, (n, 3, size, size), align_corners=False)

    def apply(x):
        x = x + brightness
        x = torch.lerp(x.mean(1, keepdim=True), x, saturation)
        x = torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False) * mask

    return apply


def unit(gradient):
    return gradient / gradient.flatten(1).norm(dim=1).clamp_min(1e-30)[:, None, None, None]


class Penalty:
    """The mean square of D's slope along its own gradient at the first `count` real and drawn pictures, each of the kinds."""

    def __init__(self, kind, d, count):
        self.kind, self.d, self.count = kind, d, count
        self.records = [(count, []), (count, [])] if kind == "tangent" else [None, None]

    def value(self, weights, pictures, gradients):
        x, directions = (torch.cat([v[: self.count] for v in both]).detach() for both in (pictures, gradients))
        if self.kind == "double":
            x.requires_grad_()
            (gradient,) = torch.autograd.grad(self.d(x, weights).sum(), x, create_graph=True)
            return gradient.square().sum() / self.count
        return self.slopes(x, unit(directions), weights).square().sum() / self.count

    def slopes(self, x, directions, weights):
        if self.kind == "jvp":
            return torch.func.jvp(lambda x: self.d(x, weights), (x,), (directions,))[1]
        recorded = [torch.cat(pair) for pair in zip(*(list for _, list in self.records))]
        return self.d.tangent(directions, weights, recorded)


class Trainer:
    def __init__(self, channels, dtype, batch, penalty):
        self.size, self.batch, self.kind = 4 << (len(channels) - 1), batch, penalty
        self.g, self.average = Generator(channels, dtype), Generator(channels, dtype)
        self.d, self.w_average = Discriminator(channels, dtype), torch.zeros(W)
        adam = lambda net: torch.optim.Adam(net.parameters(), 2.5e-3, (0.0, 0.99), fused=True)
        self.adams = [adam(self.d), adam(self.g)]

    def step(self, pixels):
        g, d, n = self.g, self.d, self.batch
        params_g, params_d = list(g.parameters()), list(d.parameters())
        change = augmentation(n, self.size)
        drawn, w = g(torch.randn(n, Z))
        drawn = change(drawn)
        real = change(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).requires_grad_()
        fake = drawn.detach().requires_grad_()
        penalty, weights = Penalty(self.kind, d, round(n * PENALISED)), d.weights()
        of_real, of_fake = (d(x, weights, record) for x, record in zip((real, fake), penalty.records))

        loss_d = F.softplus(of_fake - of_real).mean() + DRIFT * (of_real + of_fake).square().mean()
        *grads_d, at_real, at_fake = torch.autograd.grad(loss_d, [*params_d, real, fake], retain_graph=True)
        squares = penalty.value(weights, (real, fake), (at_real, at_fake))
        more = torch.autograd.grad(GAMMA / 2 * squares, params_d, retain_graph=True, allow_unused=True)
        for total, grad in zip(grads_d, more):
            if grad is not None:
                total += grad

        loss_g = F.softplus(of_real.detach() - of_fake).mean()
        (at_fake,) = torch.autograd.grad(loss_g, fake)
        grads_g = torch.autograd.grad(drawn, params_g, at_fake)

        for params, grads, adam in ((params_d, grads_d, self.adams[0]), (params_g, grads_g, self.adams[1])):
            for parameter, grad in zip(params, grads):
                parameter.grad = torch.nan_to_num_(grad, 0, 0, 0)
            adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), params_g, 0.01)
            self.w_average.lerp_(w.mean(0), 0.005)
        return loss_d.item(), loss_g.item(), squares.item()


def noise(batch, size):
    return torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)


def measure(name, dtype, options):
    channels = CONFIGS[name] if name in CONFIGS else [int(c) for c in name.split(":")[1].split(",")]
    batch, steps = int(options.get("batch", 32)), int(options.get("steps", 10))
    trainer = Trainer(channels, dtype, batch, options.get("penalty", "tangent"))
    pixels = noise(batch, trainer.size)
    for _ in range(2):
        trainer.step(pixels)
    times, processor = [], time.process_time()
    for _ in range(steps):
        start = time.perf_counter()
        losses = trainer.step(pixels)
        times.append(time.perf_counter() - start)
    processor = (time.process_time() - processor) / steps
    assert all(map(math.isfinite, losses)), f"the losses are {losses}"
    median, kind = statistics.median(times), "f32" if dtype == torch.float32 else "bf16"
    print(f"{name:<14} {kind:<5} {median * 1e3:>8.0f} {batch / median:>9.1f} {processor * 1e3 / batch:>13.2f}", flush=True)


def check():
    """Slopes by the tangent and by jvp, and along D's own gradient the norm of the gradient."""
    torch.manual_seed(1)
    d = Discriminator([24, 16, 12], torch.float32)
    x, directions = torch.randn(2, 2 * GROUP, 3, 16, 16).unbind()
    weights = d.weights()
    kinds = {kind: Penalty(kind, d, GROUP) for kind in ("tangent", "jvp", "double")}
    for half, record in zip(x.split(GROUP), kinds["tangent"].records):
        d(half, weights, record)
    tangent, jvp = (kinds[kind].slopes(x, directions, weights) for kind in ("tangent", "jvp"))
    torch.testing.assert_close(tangent, jvp, rtol=1e-4, atol=1e-4)
    halves = x.split(GROUP)
    gradients = []
    for half in halves:
        half = half.detach().requires_grad_()
        gradients += torch.autograd.grad(d(half, weights).sum(), half)
    values = {kind: p.value(weights, halves, gradients).item() for kind, p in kinds.items()}
    print("slopes agree; squared slope along the gradient, a side:", values)
    # They may differ a little: through the deviation one picture's logit changes with another picture.
    assert abs(values["tangent"] / values["double"] - 1) < 0.01


if __name__ == "__main__":
    arguments = sys.argv[1:]
    torch.set_num_threads(int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 2)
    options = dict(a.split("=") for a in arguments if "=" in a)
    names = [a for a in arguments if "=" not in a]
    if names == ["check"]:
        sys.exit(check())
    print(f"{'config':<14} {'kind':<5} {'ms/step':>8} {'images/s':>9} {'cpu ms/image':>13}   PyTorch {torch.__version__}, {torch.get_num_threads()} threads")
    for config in names or CONFIGS:
        for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
            if options.get("only", kind) == kind:
                measure(config, dtype, options)
