"""Writes the small networks of this folder and what their own authors' code draws with them (golden.json).

    python make.py --ada stylegan2-ada-pytorch --sg3 stylegan3 --rosinality stylegan2-pytorch

The three folders are clones of the repositories of those names; PyTorch on a CPU and NumPy are needed. Weights are random
and ours. Networks of full size stay small on the disk because their tensors are views that visit a few numbers often.
NVIDIA's pickles carry the source text of their modules, which is left out here.
"""
import argparse
import json
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import torch
import torch.utils.cpp_extension

HERE = Path(__file__).parent
PSIS = [0.5, 1.0, 1.3]


def fill(module, seed, strided):
    """Random weights. Strided: every tensor is a view of a storage of a few kilobytes."""
    rng = torch.Generator().manual_seed(seed)
    named = list(module.named_parameters()) + list(module.named_buffers())
    for name, tensor in named:
        if name.endswith(("resample_filter", "kernel", "act_filter")):
            continue
        shape, scale, shift = tuple(tensor.shape), 1.0, 0.0
        if name.endswith("noise_strength") or name.endswith("noise.weight"):
            scale = 0.2
        elif name.endswith("affine.bias") or name.endswith("modulation.bias"):
            scale, shift = 0.3, 1.0
        elif name.endswith("bias"):
            scale = 10.0 if ".fc" in name or name.startswith("style.") else 0.2
        elif ".fc" in name or name.startswith("style."):
            scale = 100.0  # the mapping network's rate is a hundredth
        elif name.endswith("w_avg"):
            scale = 0.3
        if strided and len(shape) >= 2:
            base = {2: (2, 1), 3: (2, 1, 5), 4: (2, 1, 7, 23), 5: (1, 2, 1, 7, 23)}[len(shape)]
            if shape[-1] == shape[-2] and shape[-1] >= 32 and "noise" in name:
                base = (1,) * (len(shape) - 2) + (3, 1)
            length = 1 + sum(s * (n - 1) for s, n in zip(base, shape))
            value = torch.randn(length, generator=rng).mul(scale).add(shift).as_strided(shape, base)
        else:
            value = torch.randn(shape, generator=rng).mul(scale).add(shift)
        tensor.data = value


def tame(module, draw):
    """Scales the colours so that pictures lie about between -1 and 1, as those of a trained network do."""
    for _ in range(3):
        factor = 0.6 / draw().square().mean().sqrt()
        for name, tensor in module.named_parameters():
            if "rgb" in name and "affine" not in name and "modulation" not in name:
                # Storages are scaled, so that views stay views.
                length = 1 + sum(s * (n - 1) for s, n in zip(tensor.stride(), tensor.shape))
                tensor.data = tensor.data.as_strided((length,), (1,)).mul(factor).as_strided(tensor.shape, tensor.stride())


def sample(image):
    """A few hundred of the values and the mean square of all."""
    flat = image.double().flatten()
    every = max(1, flat.numel() // 400) | 1
    return dict(every=every, values=[round(float(v), 6) for v in flat[::every]], mean_square=float(flat.square().mean()))


def draw_nvidia(G, seed, psi, noise="const", label=None, **kwargs):
    z = torch.from_numpy(np.random.RandomState(seed).randn(1, G.z_dim))
    c = torch.zeros([1, G.c_dim])
    if label is not None:
        c[:, label] = 1
    kwargs = dict(kwargs, force_fp32=True)
    with torch.no_grad():
        return G(z, c, truncation_psi=psi, noise_mode=noise, **kwargs)[0]


def tame_nvidia(G):
    tame(G, lambda: draw_nvidia(G, 0, 1.0, label=0 if G.c_dim else None))


def picture(image, seed, psi, noise="const", label=None):
    return dict(seed=seed, psi=psi, noise=noise, **{"class": label}, **sample(image))


class Away:
    """Modules of one repository, importable while it lasts."""

    def __init__(self, path):
        self.path = str(path)

    def __enter__(self):
        self.before = set(sys.modules)
        sys.path.insert(0, self.path)

    def __exit__(self, *_):
        sys.path.remove(self.path)
        for name in set(sys.modules) - self.before:
            if name.split(".")[0] in ("dnnlib", "torch_utils", "training", "legacy", "model", "op"):
                del sys.modules[name]


def nvidia_networks(module):
    from torch_utils import persistence
    persistence._module_to_src = lambda _: "# The source text is left out."
    return __import__(f"training.{module}", fromlist=["Generator"])


def save_snapshot(path, **networks):
    with open(path, "wb") as f:
        pickle.dump(dict(dict(G=None, D=None, training_set_kwargs=None, augment_pipe=None), **networks), f)


def ada(cases):
    networks = nvidia_networks("networks")
    # Small, its weights stored densely; clamped so that the clamp does something.
    make = lambda seed, **kw: (lambda G: (fill(G, seed, kw.get("strided", False)), tame_nvidia(G), G)[-1])(
        networks.Generator(**kw["shape"]).eval().requires_grad_(False))
    shape = dict(z_dim=20, c_dim=0, w_dim=24, img_resolution=64, img_channels=3, mapping_kwargs=dict(num_layers=3),
                 synthesis_kwargs=dict(channel_base=768, channel_max=20, conv_clamp=2.5))
    G = make(1, shape=shape)
    save_snapshot(HERE / "ada-64.pkl", G_ema=G)
    cases.append(dict(file="ada-64.pkl", pictures=[picture(draw_nvidia(G, s, p), s, p) for s in (0, 85) for p in PSIS]
                      + [picture(draw_nvidia(G, 7, 1.0, "none"), 7, 1.0, "none")]))

    shape = dict(z_dim=16, c_dim=5, w_dim=16, img_resolution=32, img_channels=3, mapping_kwargs=dict(num_layers=2, embed_features=12),
                 synthesis_kwargs=dict(channel_base=256, channel_max=12))
    G, raw = make(3, shape=shape), make(2, shape=shape)
    save_snapshot(HERE / "ada-conditional-32.pkl", G_ema=G, G=raw)
    cases.append(dict(file="ada-conditional-32.pkl",
                      pictures=[picture(draw_nvidia(G, 4, p, label=k), 4, p, label=k) for k, p in zip((0, 2, 4), PSIS)]))
    cases.append(dict(file="ada-conditional-32.pkl", which="g",
                      pictures=[picture(draw_nvidia(raw, 3, 0.5, label=1), 3, 0.5, label=1)]))

    shape = dict(z_dim=512, c_dim=0, w_dim=512, img_resolution=256, img_channels=3, mapping_kwargs=dict(num_layers=8),
                 synthesis_kwargs=dict(channel_base=8192, channel_max=128))
    G = make(4, shape=shape, strided=True)
    save_snapshot(HERE / "ada-256.pkl", G_ema=G)
    cases.append(dict(file="ada-256.pkl", pictures=[picture(draw_nvidia(G, 1, p), 1, p) for p in PSIS]))


def stylegan3(cases):
    networks = nvidia_networks("networks_stylegan2")
    G = networks.Generator(z_dim=512, c_dim=0, w_dim=512, img_resolution=512, img_channels=3, channel_base=32768,
                           channel_max=512, num_fp16_res=4, conv_clamp=256,
                           mapping_kwargs=dict(num_layers=8)).eval().requires_grad_(False)
    fill(G, 5, True)
    tame_nvidia(G)
    save_snapshot(HERE / "config-f-512.pkl", G_ema=G)
    cases.append(dict(file="config-f-512.pkl", pictures=[picture(draw_nvidia(G, 6, p), 6, p) for p in PSIS]))

    three = nvidia_networks("networks_stylegan3")
    G = three.Generator(z_dim=8, c_dim=0, w_dim=8, img_resolution=32, img_channels=3, channel_base=64, channel_max=4,
                        num_layers=4, num_critical=1, mapping_kwargs=dict(num_layers=1)).eval().requires_grad_(False)
    save_snapshot(HERE / "stylegan3-t.pkl", G_ema=G)


# ------------------------------------------------------------------ TensorFlow

SOURCE = """
def G_mapping(
    latents_in,
    labels_in,
    mapping_lrmul           = 0.01,         # Rate.
    mapping_nonlinearity    = 'lrelu',
    normalize_latents       = True,         # Normalise?
    **_kwargs):
%s
    return latents_in


def G_synthesis_stylegan2(
    dlatents_in,
    architecture        = 'skip',       # 'orig', 'skip', 'resnet'.
    nonlinearity        = 'lrelu',
    resample_kernel     = [1,3,3,1],
    **_kwargs):
    return dlatents_in
"""


def tensorflow_pickle(rng, size, channels, dim, layers, labels=0, body="", concat=False, base=(4, 4)):
    """(G, D, Gs) as dnnlib.tflib.Network pickles them."""
    dnnlib = types.ModuleType("dnnlib.tflib.network")

    class Network:
        def __init__(self, **state):
            self.__dict__.update(state)

        def __getstate__(self):
            return self.__dict__

    Network.__module__, Network.__qualname__ = "dnnlib.tflib.network", "Network"
    dnnlib.Network = Network
    normal = lambda *shape, scale=1.0: (rng.randn(*shape) * scale).astype(np.float32)
    static = dict(resolution=size, latent_size=dim, dlatent_size=dim, mapping_fmaps=dim, mapping_layers=layers,
                  label_size=labels, fmap_base=channels * size // 8, fmap_max=channels)

    def layer(scope, kernel, fan_in, fan_out, noise):
        out = [(f"{scope}/weight", normal(kernel, kernel, fan_in, fan_out)), (f"{scope}/mod_weight", normal(dim, fan_in)),
               (f"{scope}/mod_bias", normal(fan_in, scale=0.3)), (f"{scope}/bias", normal(fan_out, scale=0.2))]
        return out + ([(f"{scope}/noise_strength", np.float32(rng.randn() * 0.2))] if noise else [])

    def network():
        mapping, synthesis = [], []
        if labels and concat:
            mapping.append(("LabelConcat/weight", normal(labels, dim)))
        elif labels:
            mapping += [("LabelEmbed/weight", normal(labels, dim)), ("LabelEmbed/bias", normal(dim))]
        for i in range(layers):
            inputs = dim * 2 if labels and i == 0 else dim
            mapping += [(f"Dense{i}/weight", normal(inputs, dim, scale=100)), (f"Dense{i}/bias", normal(dim, scale=10))]
        log2 = int(np.log2(size))
        for i in range(log2 * 2 - 3):
            double = 2 ** ((i + 5) // 2 - 2)
            synthesis.append((f"noise{i}", normal(1, 1, base[0] * double, base[1] * double)))
        width = lambda side: min(static["fmap_base"] * 2 // side, static["fmap_max"])
        name = lambda side: f"{base[0] * side // 4}x{base[1] * side // 4}"
        synthesis.append((f"{name(4)}/Const/const", normal(1, width(4), *base)))
        synthesis += layer(f"{name(4)}/Conv", 3, width(4), width(4), True) + layer(f"{name(4)}/ToRGB", 1, width(4), 3, False)
        for r in range(3, log2 + 1):
            s = 2 ** r
            synthesis += layer(f"{name(s)}/Conv0_up", 3, width(s // 2), width(s), True)
            synthesis += layer(f"{name(s)}/Conv1", 3, width(s), width(s), True)
            synthesis += layer(f"{name(s)}/ToRGB", 1, width(s), 3, False)
        part = lambda name, func, variables: Network(version=4, name=name, static_kwargs=static, components={},
                                                     build_module_src=SOURCE % body, build_func_name=func, variables=variables)
        return Network(version=4, name="G", static_kwargs=static, build_module_src=SOURCE % body, build_func_name="G_main",
                       variables=[("lod", np.float32(0)), ("dlatent_avg", normal(dim, scale=0.3))],
                       components=dict(mapping=part("G_mapping", "G_mapping", mapping),
                                       synthesis=part("G_synthesis", "G_synthesis_stylegan2", synthesis)))

    other = Network(version=4, name="D", static_kwargs={}, components={}, build_module_src="", build_func_name="D",
                    variables=[])
    nets = (other, other, network())
    before = dict(sys.modules)
    for name in ("dnnlib", "dnnlib.tflib"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["dnnlib.tflib.network"] = dnnlib
    data = pickle.dumps(nets, protocol=4)
    sys.modules.clear()
    sys.modules.update(before)
    return data, nets[2]


def as_dict(net):
    """What legacy.py's stub would be: the state as attributes."""
    import dnnlib
    state = dict(net.__dict__)
    state["components"] = {k: as_dict(v) for k, v in state["components"].items()}
    return dnnlib.EasyDict(state)


def tensorflow(cases):
    import legacy
    from training import networks
    convert = lambda net: legacy.convert_tf_generator(as_dict(net)).eval()

    data, net = tensorflow_pickle(np.random.RandomState(11), 64, 16, 24, 3)
    (HERE / "tensorflow-64.pkl").write_bytes(data)
    G = convert(net)
    pictures = [picture(draw_nvidia(G, s, p), s, p) for s, p in zip((0, 8, 9), PSIS)]
    # run_generator.py sets the noise variables from the generator that z came from.
    rnd = np.random.RandomState(21)
    z = rnd.randn(1, G.z_dim)
    for block in [getattr(G.synthesis, f"b{r}") for r in G.synthesis.block_resolutions]:
        for conv in [getattr(block, n) for n in ("conv0", "conv1") if hasattr(block, n)]:
            side = conv.resolution
            conv.noise_const.copy_(torch.from_numpy(rnd.randn(1, 1, side, side)[0, 0]))
    with torch.no_grad():
        image = G(torch.from_numpy(z), None, truncation_psi=0.5, noise_mode="const")[0]
    pictures.append(picture(image, 21, 0.5, "random"))
    cases.append(dict(file="tensorflow-64.pkl", pictures=pictures))

    data, net = tensorflow_pickle(np.random.RandomState(12), 16, 12, 16, 2, labels=6)
    (HERE / "tensorflow-conditional-16.pkl").write_bytes(data)
    G = convert(net)
    cases.append(dict(file="tensorflow-conditional-16.pkl",
                      pictures=[picture(draw_nvidia(G, 2, p, label=k), 2, p, label=k) for k, p in zip((1, 3, 5), PSIS)]))

    # 'ext': the function's body overrides its arguments, and z is not normalised. NVIDIA's own code with that one step out.
    body = "\n    normalize_latents = False\n    latent_size = 1024 # set here\n"
    data, net = tensorflow_pickle(np.random.RandomState(13), 32, 12, 20, 4, body=body)
    (HERE / "tensorflow-ext-32.pkl").write_bytes(data)
    G = convert(net)
    normal = networks.normalize_2nd_moment
    networks.normalize_2nd_moment = lambda x, **_: x
    cases.append(dict(file="tensorflow-ext-32.pkl", pictures=[picture(draw_nvidia(G, 5, p), 5, p) for p in PSIS]))
    networks.normalize_2nd_moment = normal

    # StyleGAN2's first way with labels: looked up, put behind z, normalised with it. NVIDIA's later code fed accordingly.
    data, net = tensorflow_pickle(np.random.RandomState(14), 16, 12, 16, 2, labels=4, concat=True)
    (HERE / "tensorflow-concat-16.pkl").write_bytes(data)
    mapping = net.components["mapping"]
    table = dict(mapping.variables)["LabelConcat/weight"]
    mapping.variables = [v for v in mapping.variables if not v[0].startswith("LabelConcat")]
    for part in (net, mapping, net.components["synthesis"]):
        part.static_kwargs = dict(part.static_kwargs, latent_size=32, label_size=0)
    G = convert(net)
    pictures = []
    for k, p in zip((0, 1, 3), PSIS):
        z = np.concatenate([np.random.RandomState(2).randn(1, 16), table[k:k + 1]], axis=1)
        with torch.no_grad():
            pictures.append(picture(G(torch.from_numpy(z), None, truncation_psi=p, noise_mode="const")[0], 2, p, label=k))
    cases.append(dict(file="tensorflow-concat-16.pkl", pictures=pictures))


    # aydao's oblong pictures. NVIDIA's later code, which would draw any size but for its assertions.
    from torch_utils import misc
    data, net = tensorflow_pickle(np.random.RandomState(15), 16, 12, 16, 2, base=(5, 3))
    (HERE / "tensorflow-oblong-20x12.pkl").write_bytes(data)
    synthesis, oblong, square = net.components["synthesis"], {}, []
    for name, value in synthesis.variables:
        for side in (4, 8, 16):
            name = name.replace(f"{5 * side // 4}x{3 * side // 4}/", f"{side}x{side}/")
        if "noise" in name and value.ndim == 4 or "const" in name:
            oblong[name] = torch.from_numpy(value)
            side = 4 if "const" in name else 2 ** ((int(name[5:]) + 5) // 2)
            value = np.zeros((1, value.shape[1], side, side), np.float32)
        square.append((name, value))
    synthesis.variables = square
    G = convert(net)
    G.synthesis.b4.const = torch.nn.Parameter(oblong["4x4/Const/const"][0], requires_grad=False)
    convs = [getattr(getattr(G.synthesis, f"b{r}"), n) for r in (4, 8, 16) for n in ("conv0", "conv1") if (r, n) != (4, "conv0")]
    for i, conv in enumerate(convs):
        conv.noise_const = oblong[f"noise{i}"][0, 0]
    strict, misc.assert_shape = misc.assert_shape, lambda *_: None
    cases.append(dict(file="tensorflow-oblong-20x12.pkl", pictures=[picture(draw_nvidia(G, 4, p), 4, p) for p in PSIS]))
    misc.assert_shape = strict


# ------------------------------------------------------------------ rosinality

def rosinality(cases):
    torch.utils.cpp_extension.load = lambda *_, **__: None  # on a CPU their operations need no compiled part
    import model
    G = model.Generator(64, 64, 4, channel_multiplier=2).eval()
    fill(G, 31, True)
    mean = torch.randn(64, generator=torch.Generator().manual_seed(32)) * 0.3

    def draw(seed, psi, noise):
        z = torch.from_numpy(np.random.RandomState(seed).randn(1, 64).astype(np.float32))
        with torch.no_grad():
            # Their code leaves truncation out from 1 upwards; the formula is the same one.
            w = mean + psi * (G.get_latent(z) - mean)
            return G([w], input_is_latent=True, randomize_noise=not noise)[0][0]

    tame(G, lambda: draw(0, 1.0, True))
    checkpoint = dict(g=dict(), d=dict(), g_ema=G.state_dict(), g_optim={}, latent_avg=mean)
    torch.save(checkpoint, HERE / "rosinality-64.pt")
    pictures = [picture(draw(3, p, True), 3, p) for p in PSIS]
    cases.append(dict(file="rosinality-64.pt", pictures=pictures))
    # The same network in the format before PyTorch 1.6 and saved from several GPUs.
    state = {f"module.{k}": v for k, v in checkpoint["g_ema"].items()}
    torch.save(dict(g_ema=state, latent_avg=mean), HERE / "rosinality-64-legacy.pt", _use_new_zipfile_serialization=False)
    cases.append(dict(file="rosinality-64-legacy.pt", pictures=pictures[:1]))


def lucidrains():
    """Only the names by which such a checkpoint is known."""
    torch.save(dict(GAN={"GE.initial_block": torch.zeros(1, 4, 4, 4)}, version="1.8.0"), HERE / "lucidrains.pt")


# ------------------------------------------------------------------ the smallest files of every kind, to be mutated

TINY = HERE.parent.parent / "fuzz" / "corpus" / "open"


def tiny_nvidia():
    networks = nvidia_networks("networks")
    G = networks.Generator(z_dim=2, c_dim=2, w_dim=2, img_resolution=8, img_channels=3,
                           mapping_kwargs=dict(num_layers=1, embed_features=1),
                           synthesis_kwargs=dict(channel_base=8, channel_max=2)).eval().requires_grad_(False)
    fill(G, 41, False)
    for protocol in (0, 2, 4, 5):
        (TINY / f"nvidia-{protocol}.pkl").write_bytes(pickle.dumps(dict(G=None, G_ema=G), protocol=protocol))
    data, _ = tensorflow_pickle(np.random.RandomState(42), 8, 8, 2, 1, labels=2)
    (TINY / "tensorflow-4.pkl").write_bytes(data)


def tiny_rosinality():
    rng = torch.Generator().manual_seed(43)
    normal = lambda *shape: torch.randn(shape, generator=rng)
    state = {"style.1.weight": normal(2, 2), "style.1.bias": normal(2), "input.input": normal(1, 2, 4, 4)}

    def conv(name, kernel, fan_in, fan_out, bias):
        state.update({f"{name}.conv.weight": normal(1, fan_out, fan_in, kernel, kernel),
                      f"{name}.conv.modulation.weight": normal(fan_in, 2), f"{name}.conv.modulation.bias": normal(fan_in), **bias})

    styled = lambda name, a, b: conv(name, 3, a, b, {f"{name}.noise.weight": normal(1), f"{name}.activate.bias": normal(b)})
    colour = lambda name, a: conv(name, 1, a, 3, {f"{name}.bias": normal(1, 3, 1, 1)})
    styled("conv1", 2, 2), colour("to_rgb1", 2), styled("convs.0", 2, 1), styled("convs.1", 1, 1), colour("to_rgbs.0", 1)
    state["convs.0.conv.blur.kernel"] = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 16
    for i, side in enumerate((4, 8, 8)):
        state[f"noises.noise_{i}"] = normal(1, 1, side, side)
    # One storage for all, as views: fewer bytes a tensor.
    flat = torch.cat([v.flatten() for v in state.values()])
    place, views = 0, {}
    for name, value in state.items():
        views[name] = flat[place:place + value.numel()].view(value.shape)
        place += value.numel()
    checkpoint = dict(g_ema=views, latent_avg=normal(2))
    torch.save(checkpoint, TINY / "rosinality-zip.pt")
    torch.save(checkpoint, TINY / "rosinality-legacy.pt", _use_new_zipfile_serialization=False)


def hostile():
    """Files that do harm, or try to take for ever, when Python opens them."""
    files = {
        "system": b"\x80\x04cos\nsystem\n(X\x0b\x00\x00\x00echo hackedtR.",
        "system-0": b"cos\nsystem\n(S'echo hacked'\ntR.",
        "laughs": b"\x80\x04]" + b"q\x00" + b"(h\x00h\x00h\x00h\x00l" + b"".join(
            b"q" + bytes([i]) + b"(" + (b"h" + bytes([i])) * 8 + b"l" for i in range(1, 60)) + b".",
        "cycle": b"\x80\x04]q\x00h\x00a}q\x01X\x05\x00\x00\x00G_emah\x01s0.",
        "deep": b"\x80\x04)" + b"\x85" * 2000 + b".",
        "long-length": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
        "no-end": b"\x80\x04" + b"(" * 500,
    }
    for name, data in files.items():
        (TINY / f"hostile-{name}.pkl").write_bytes(data)


def main():
    parser = argparse.ArgumentParser()
    for name in ("ada", "sg3", "rosinality"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    args = parser.parse_args()
    cases = []
    TINY.mkdir(parents=True, exist_ok=True)
    hostile()
    tiny_rosinality()
    with Away(args.ada):
        tiny_nvidia()
        ada(cases)
        tensorflow(cases)
    with Away(args.sg3):
        stylegan3(cases)
    with Away(args.rosinality):
        rosinality(cases)
    lucidrains()
    (HERE / "golden.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
