"""The trainer's networks and step in PyTorch, for its throughput: images/s, a row a configuration.

    python train.py [THREADS] [c64|c128 ...]

The peer of `cargo bench -p tadne-gan --bench step`: the same layers, loss, augmentation, optimiser and average, written the way one
writes PyTorch, with channels-last memory and the fused Adam. It measures speed and trains on noise.
"""

import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CONFIGS = {"c64": [192, 192, 128, 64, 32], "c128": [192, 192, 128, 64, 32, 32]}
Z, W, BATCH, PENALISED, SIGMA, GAMMA = 128, 256, 32, 8, 0.02, 0.5
ROOT2 = math.sqrt(2)


def act(x):
    return F.leaky_relu(x, 0.2)


class Weight(nn.Module):
    """An equalised weight with its bias."""

    def __init__(self, *shape, multiplier=1.0, bias=0.0):
        super().__init__()
        self.raw = nn.Parameter(torch.randn(*shape) / multiplier)
        self.raw_bias = nn.Parameter(torch.full((shape[0],), bias / multiplier))
        self.gain = multiplier / math.sqrt(math.prod(shape[1:]))
        self.multiplier = multiplier

    def forward(self):
        return self.raw * self.gain, self.raw_bias * self.multiplier


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


def upsample(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Generator(nn.Module):
    def __init__(self, channels, dtype):
        super().__init__()
        self.map1, self.map2 = Weight(W, Z, multiplier=0.01), Weight(W, W, multiplier=0.01)
        self.const, self.dtype = nn.Parameter(torch.randn(1, channels[0], 4, 4)), dtype
        pairs = list(zip(channels, channels[1:]))
        self.ups = nn.ModuleList(Modulated(a, b, 3, up=True) for a, b in pairs)
        self.convs = nn.ModuleList(Modulated(c, c, 3) for c in channels)
        self.rgbs = nn.ModuleList(Modulated(c, 3, 1) for c in channels)

    def forward(self, z):
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in (self.map1, self.map2):
            w = act(F.linear(w, *layer())) * ROOT2
        x = self.const.to(self.dtype).expand(len(z), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image = None
        for i, (conv, rgb) in enumerate(zip(self.convs, self.rgbs)):
            x = conv(self.ups[i - 1](x, w) if i else x, w)
            image = rgb(x, w) if image is None else upsample(image) + rgb(x, w)
        return image, w


class Discriminator(nn.Module):
    def __init__(self, channels, dtype):
        super().__init__()
        c, self.dtype = channels[::-1], dtype
        self.rgb = Weight(c[0], 3, 3, 3)
        self.stages = nn.ModuleList(
            nn.ModuleList([Weight(a, a, 3, 3), Weight(b, a, 3, 3), Weight(b, a, 1, 1)]) for a, b in zip(c, c[1:])
        )
        self.conv, self.fc, self.out = Weight(c[-1], c[-1] + 1, 3, 3), Weight(c[-1], c[-1] * 16), Weight(1, c[-1])

    def convolve(self, x, layer, gain):
        weight, bias = layer()
        return act(F.conv2d(x, (weight * gain).to(x.dtype), (bias * gain).to(x.dtype), padding=1))

    def forward(self, x):
        x = self.convolve(x, self.rgb, ROOT2).to(self.dtype).contiguous(memory_format=torch.channels_last)
        for first, second, skip in self.stages:
            y = self.convolve(F.avg_pool2d(self.convolve(x, first, ROOT2), 2), second, 1.0)
            x = y + F.conv2d(F.avg_pool2d(x, 2), (skip()[0] / ROOT2).to(x.dtype))
        x = x.float()
        n, c, h, w = x.shape
        spread = (x.view(n // 4, 4, c, h, w).var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        x = torch.cat([x, spread.repeat_interleave(4).view(n, 1, 1, 1).expand(n, 1, h, w)], 1)
        x = self.convolve(x, self.conv, ROOT2).flatten(1)
        return F.linear(act(F.linear(x, *self.fc())) * ROOT2, *self.out())[:, 0]


def augmentation(n, size, p=0.3):
    coin = lambda: (torch.rand(n, 1, 1, 1) < p).float()
    signed = lambda: (torch.rand(n, 1, 1, 1) * 2 - 1) * coin()
    brightness, saturation, contrast = signed() * 0.4, 1 + signed() * 0.8, 1 + signed() * 0.5
    theta = torch.eye(2, 3).repeat(n, 1, 1)
    theta[:, :, 2] = (signed().view(n, 1) * size / 8).round() * 2 / size
    at = torch.arange(size) + 0.5
    near = lambda shape: ((at.view(shape) - torch.rand(n, 1, 1, 1) * size).abs() < size * 0.2).float()
    mask = 1 - near((1, 1, size, 1)) * near((1, 1, 1, size)) * coin()

    def apply(x):
        x = x + brightness
        grey = x.mean(1, keepdim=True)
        x = (x - grey) * saturation + grey
        mean = x.mean((1, 2, 3), keepdim=True)
        x = (x - mean) * contrast + mean
        grid = F.affine_grid(theta, x.shape, align_corners=False)
        return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False) * mask

    return apply


def measure(name, dtype, warm_up=2, timed=8):
    channels = CONFIGS[name]
    size = 4 << (len(channels) - 1)
    g, average, d = Generator(channels, dtype), Generator(channels, dtype), Discriminator(channels, dtype)
    adam = lambda net: torch.optim.Adam(net.parameters(), 2.5e-3, (0.0, 0.99), fused=True)
    adam_g, adam_d = adam(g), adam(d)
    pixels = torch.randint(0, 256, (BATCH, size, size, 3), dtype=torch.uint8)

    def update(net, optimiser, loss):
        optimiser.zero_grad()
        loss.backward()
        for parameter in net.parameters():
            if parameter.grad is not None:
                torch.nan_to_num_(parameter.grad, 0, 0, 0)
        optimiser.step()

    def step():
        real = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
        change = augmentation(BATCH, size)
        with torch.no_grad():
            r, f = change(real), change(g(torch.randn(BATCH, Z))[0])
        near = lambda x: x[:PENALISED] + torch.randn_like(x[:PENALISED]) * SIGMA
        a, b, c, e = d(torch.cat([r, f, near(r), near(f)])).split([BATCH, BATCH, PENALISED, PENALISED])
        slope = lambda moved, logits: ((moved - logits[:PENALISED]) / SIGMA).square().mean()
        penalty = slope(c, a) + slope(e, b)
        update(d, adam_d, F.softplus(b - a).mean() + GAMMA / 2 * penalty + 0.01 * (a + b).square().mean())
        change = augmentation(BATCH, size)
        with torch.no_grad():
            r = d(change(real))
        d.requires_grad_(False)
        update(g, adam_g, F.softplus(r - d(change(g(torch.randn(BATCH, Z))[0]))).mean())
        d.requires_grad_(True)
        with torch.no_grad():
            for p, q in zip(average.parameters(), g.parameters()):
                p.lerp_(q, 0.01)

    for _ in range(warm_up):
        step()
    times = []
    for _ in range(timed):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    kind = "f32" if dtype == torch.float32 else "bf16"
    print(f"{name:<14} {kind:<6} {median * 1e3:>9.0f} {BATCH / median:>9.1f}", flush=True)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    torch.set_num_threads(int(arguments.pop(0)) if arguments and arguments[0].isdigit() else 2)
    print(f"{'config':<14} {'kind':<6} {'ms/step':>9} {'images/s':>9}   PyTorch {torch.__version__}")
    for config in arguments or CONFIGS:
        for kind in (torch.float32, torch.bfloat16):
            measure(config, kind)
