#!/usr/bin/env python3
"""Draws pictures, teaches two small cascades and writes three small networks to find what is on them, and notes what OpenCV and ONNX Runtime find.

    python3 -m venv venv && venv/bin/pip install numpy onnx onnxruntime 'opencv-python-headless<5'
    venv/bin/python crates/detect/tests/golden/make.py

Ran with numpy 2.4.6, onnx 1.23.2, onnxruntime 1.32.0, opencv 4.14.0. Faces are discs with two eyes and a mouth; nothing here is anyone else's.
"""
import json, os, pathlib, tempfile
import cv2, numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
WINDOW = 20
random = np.random.default_rng(2026)


def face(picture, x, y, side):
    """Draws a face into a square of `side` pixels whose upper left corner is at x, y."""
    grid_y, grid_x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    u, v = (grid_x - x + 0.5) / side, (grid_y - y + 0.5) / side
    def disc(cu, cv_, ru, rv):
        return ((u - cu) / ru) ** 2 + ((v - cv_) / rv) ** 2 < 1
    skin = np.array([random.integers(200, 255), random.integers(150, 200), random.integers(120, 170)])
    picture[disc(0.5, 0.5, 0.46, 0.5)] = skin
    dark = random.integers(10, 60, 3)
    jitter = lambda: random.uniform(-0.02, 0.02)
    picture[disc(0.3 + jitter(), 0.42 + jitter(), 0.1, 0.12)] = dark
    picture[disc(0.7 + jitter(), 0.42 + jitter(), 0.1, 0.12)] = dark
    picture[disc(0.5 + jitter(), 0.78 + jitter(), 0.14, 0.05)] = [170, 40, 50]


def ground(height, width):
    """Waves and grain, in few steps, which PNG makes small."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x * random.uniform(-0.4, 0.4) + y * random.uniform(-0.4, 0.4) + random.uniform(0, 6)) for _ in range(4)]
    base = np.stack([sum(w * random.uniform(5, 35) for w in waves) + random.uniform(60, 190) for _ in range(3)], -1)
    return np.clip(base + random.normal(0, random.uniform(1, 10), (height, width, 1)), 0, 255).astype(np.uint8) // 16 * 16


def grey(rgb):
    return cv2.equalizeHist(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))


def patches(count, positive):
    out = []
    while len(out) < count:
        picture = ground(80, 80)
        side = int(random.integers(22, 60))
        x, y = (int(n) for n in random.integers(2, 78 - side, 2))
        face(picture, x, y, side)
        g = grey(picture)
        if positive:
            jx, jy = (int(n) for n in random.integers(-1, 2, 2) * (side // 20))
            crop = g[max(y + jy, 0):, max(x + jx, 0):][:side, :side]
        else:
            s = int(random.integers(20, 60))
            a, b = (int(n) for n in random.integers(0, 80 - s, 2))
            if abs(a - x) < side / 4 and abs(b - y) < side / 4 and 0.7 < s / side < 1.4:
                continue
            crop = g[b:, a:][:s, :s]
        out.append(cv2.resize(crop, (WINDOW, WINDOW), interpolation=cv2.INTER_AREA if crop.shape[0] > WINDOW else cv2.INTER_LINEAR))
    return np.array(out)


def integral(p):
    return np.pad(p.astype(np.int64).cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))


def box(s, x, y, w, h):
    return s[:, y + h, x + w] - s[:, y, x + w] - s[:, y + h, x] + s[:, y, x]


def lbp(s, f):
    x, y, w, h = f
    cell = [[box(s, x + i * w, y + j * h, w, h) for i in range(3)] for j in range(3)]
    around = [cell[0][0], cell[0][1], cell[0][2], cell[1][2], cell[2][2], cell[2][1], cell[2][0], cell[1][0]]
    return sum((a >= cell[1][1]).astype(int) << (7 - n) for n, a in enumerate(around))


def haar(s, sq, f):
    n = (WINDOW - 2) ** 2
    total, squares = box(s, 1, 1, WINDOW - 2, WINDOW - 2), box(sq, 1, 1, WINDOW - 2, WINDOW - 2)
    norm = 1 / np.sqrt(np.maximum(n * squares - total**2, 1.0))
    return sum(wt * box(s, x, y, w, h) for x, y, w, h, wt in f) * norm


def number(value):
    return f"{value:.9g}"


def teach(kind, features, values, labels, stages):
    """Gentle AdaBoost over stumps, a stage's threshold so that 199 of 200 faces pass."""
    alive, out, used = np.ones(len(labels), bool), [], []
    for count in stages:
        at = np.flatnonzero(alive)
        y, weights, total, stumps = labels[at] * 2.0 - 1, np.ones(len(at)) / len(at), np.zeros(len(at)), []
        for _ in range(count):
            best = None
            for f in range(len(features)):
                v = values[f][at]
                if kind == "LBP":
                    w = np.bincount(v, weights, 256); wy = np.bincount(v, weights * y, 256)
                    subset = wy < 0
                    yes = subset[v]
                else:
                    limit = np.quantile(v, np.linspace(0.05, 0.95, 12))
                    def split(t):
                        m = v < t
                        return abs((weights * y)[m].sum()) + abs((weights * y)[~m].sum())
                    subset = float(np.float32(max(limit, key=split)))
                    yes = v < subset
                mean = lambda m: float(np.float32((weights * y)[m].sum() / max(weights[m].sum(), 1e-9)))
                left, right = mean(yes), mean(~yes)
                error = (weights * (y - np.where(yes, left, right)) ** 2).sum()
                if best is None or error < best[0]:
                    best = (error, f, subset, left, right, yes)
            _, f, subset, left, right, yes = best
            h = np.where(yes, left, right)
            total += h
            weights *= np.exp(-y * h); weights /= weights.sum()
            if f not in used:
                used.append(f)
            stumps.append((used.index(f), subset, left, right))
        threshold = float(np.float32(np.quantile(total[y > 0], 0.005)))
        out.append((threshold, stumps))
        alive[at] = total >= threshold
    return out, [features[f] for f in used]


def xml(kind, stages, features):
    lines = ['<?xml version="1.0"?>', "<opencv_storage>", '<cascade type_id="opencv-cascade-classifier">', "<stageType>BOOST</stageType>",
             f"<featureType>{kind}</featureType>", f"<height>{WINDOW}</height>", f"<width>{WINDOW}</width>",
             f"<stageParams><maxWeakCount>{max(len(s) for _, s in stages)}</maxWeakCount></stageParams>",
             f"<featureParams><maxCatCount>{256 if kind == 'LBP' else 0}</maxCatCount></featureParams>", f"<stageNum>{len(stages)}</stageNum>", "<stages>"]
    for threshold, stumps in stages:
        lines += ["<_>", f"<maxWeakCount>{len(stumps)}</maxWeakCount>", f"<stageThreshold>{number(threshold)}</stageThreshold>", "<weakClassifiers>"]
        for f, subset, left, right in stumps:
            if kind == "LBP":
                words = np.packbits(subset.reshape(8, 32), axis=1, bitorder="little").view("<i4").ravel()
                ask = " ".join(str(int(w)) for w in words)
            else:
                ask = number(subset)
            lines.append(f"<_><internalNodes>0 -1 {f} {ask}</internalNodes><leafValues>{number(left)} {number(right)}</leafValues></_>")
        lines += ["</weakClassifiers>", "</_>"]
    lines += ["</stages>", "<features>"]
    for f in features:
        if kind == "LBP":
            lines.append("<_><rect>" + " ".join(map(str, f)) + "</rect></_>")
        else:
            rects = "".join(f"<_>{x} {y} {w} {h} {wt:.1f}</_>" for x, y, w, h, wt in f)
            lines.append(f"<_><rects>{rects}</rects><tilted>0</tilted></_>")
    return "\n".join(lines + ["</features>", "</cascade>", "</opencv_storage>", ""])


def cascades():
    pos, neg = patches(600, True), patches(2400, False)
    windows = np.concatenate([pos, neg]); labels = np.arange(len(windows)) < len(pos)
    s, sq = integral(windows), integral(windows.astype(np.int64) ** 2)
    lbps, haars = [], []
    while len(lbps) < 250:
        w, h = (int(n) for n in random.integers(1, WINDOW // 3 + 1, 2))
        lbps.append((int(random.integers(0, WINDOW - 3 * w + 1)), int(random.integers(0, WINDOW - 3 * h + 1)), w, h))
    while len(haars) < 250:
        n, tall = int(random.integers(2, 4)), bool(random.integers(0, 2))
        w, h = (int(v) for v in random.integers(2, WINDOW // n + 1, 2))
        W, H = (w, n * h) if tall else (n * w, h)
        if W > WINDOW or H > WINDOW:
            continue
        x, y = int(random.integers(0, WINDOW - W + 1)), int(random.integers(0, WINDOW - H + 1))
        middle = (x, y + h, w, h, 2.0 if n == 2 else 3.0) if tall else (x + w, y, w, h, 2.0 if n == 2 else 3.0)
        haars.append([(x, y, W, H, -1.0), middle] if n == 3 or random.integers(0, 2) else [(x, y, W, H, -1.0), middle, (x, y, 1, 1, 0.5)])
    stages, used = teach("LBP", lbps, [lbp(s, f) for f in lbps], labels, [3, 5, 9])
    (HERE / "lbp.xml").write_text(xml("LBP", stages, used))
    stages, used = teach("HAAR", haars, [haar(s, sq, f) for f in haars], labels, [3, 6, 12])
    (HERE / "haar.xml").write_text(xml("HAAR", stages, used))


def picture():
    """Faces of several sizes, at least as large as a window."""
    p = ground(150, 201)
    for x, y, side in [(12, 14, 40), (70, 20, 75), (150, 12, 28), (20, 92, 51), (150, 80, 44)]:
        face(p, x, y, side)
    cv2.imwrite(str(HERE / "faces.png"), p[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return p


def found_by_cascades(p):
    out = {}
    for kind in ["lbp", "haar"]:
        c = cv2.CascadeClassifier(str(HERE / f"{kind}.xml"))
        assert not c.empty()
        for least in [2, 4]:
            # minNeighbors is what must be exceeded.
            boxes, counts = c.detectMultiScale2(grey(p), scaleFactor=1.1, minNeighbors=least - 1)
            boxes = [[int(b[0]), int(b[1]), int(b[0] + b[2]), int(b[1] + b[3])] for b in boxes]
            out[f"{kind} {least}"] = sorted([*b, int(n)] for b, n in zip(boxes, counts))
    return out


def constant(name, values):
    return numpy_helper.from_array(np.array(values), name)


def networks():
    """Red is a face: what a cell of 8 pixels has of it beyond green is its score, and its box is as wide as what it has of blue says."""
    def model(shape, tail, outputs, constants):
        weights = np.zeros((3, 3, 8, 8), np.float32)
        weights[0, 0] = 12 / 64; weights[0, 1] = -12 / 64   # red - green
        weights[1, 2] = 24 / 64                             # blue: width
        weights[2, 1] = 16 / 64                             # green: height
        nodes = [
            helper.make_node("Conv", ["images", "weights", "bias"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Split", ["cells"], ["red", "blue", "green"], axis=1, num_outputs=3),
            helper.make_node("Sigmoid", ["red"], ["score"]),
            # Centres: how many cells there are to the left and above, counted by the network, so that its input may have any size.
            helper.make_node("Mul", ["red", "zero"], ["zeros"]),
            helper.make_node("Add", ["zeros", "eight"], ["eights"]),
            helper.make_node("CumSum", ["eights", "three"], ["right"]), helper.make_node("Sub", ["right", "four"], ["cx"]),
            helper.make_node("CumSum", ["eights", "two"], ["down"]), helper.make_node("Sub", ["down", "four"], ["cy"]),
            helper.make_node("Add", ["blue", "four"], ["w"]), helper.make_node("Add", ["green", "four"], ["h"]),
        ] + tail
        constants = [constant("weights", weights), constant("bias", np.array([-6, 4, 2], np.float32)), constant("zero", np.float32(0)),
                     constant("eight", np.float32(8)), constant("four", np.float32(4)), constant("two", np.int64(2)), constant("three", np.int64(3))] + constants
        graph = helper.make_graph(nodes, "tiny", [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)], outputs, constants)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(m)
        return m.SerializeToString()
    output = lambda dims: [helper.make_tensor_value_info("output0", TensorProto.FLOAT, dims)]
    flat = constant("flat", np.array([1, 0, -1], np.int64))
    def rows(columns):
        return [helper.make_node("Concat", columns, ["map"], axis=1), helper.make_node("Reshape", ["map", "flat"], ["wide"])]
    flat5 = lambda n: constant("flat", np.array([1, n, -1], np.int64))
    transposed = [helper.make_node("Transpose", ["wide"], ["output0"], perm=[0, 2, 1])]
    wide = rows(["cx", "cy", "w", "h", "score"])
    wide[-1].output[0] = "output0"
    (HERE / "wide.onnx").write_bytes(model([1, 3, 64, 64], wide, output([1, 5, 64]), [flat5(5)]))
    (HERE / "open.onnx").write_bytes(model([1, 3, "height", "width"], wide, output([1, 5, "n"]), [flat5(5)]))
    tall = [helper.make_node("Sqrt", ["score"], ["root"])] + rows(["cx", "cy", "w", "h", "root", "root", "score"]) + transposed
    (HERE / "tall.onnx").write_bytes(model([1, 3, 64, 64], tall, output([1, 64, 7]), [flat5(7)]))
    half = [helper.make_node("Mul", ["w", "half"], ["w2"]), helper.make_node("Mul", ["h", "half"], ["h2"]),
            helper.make_node("Sub", ["cx", "w2"], ["x0"]), helper.make_node("Sub", ["cy", "h2"], ["y0"]),
            helper.make_node("Add", ["cx", "w2"], ["x1"]), helper.make_node("Add", ["cy", "h2"], ["y1"])]
    final = half + rows(["x0", "y0", "x1", "y1", "score", "zeros"]) + [
        helper.make_node("Transpose", ["wide"], ["all"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["score", "minus"], ["scores"]), helper.make_node("TopK", ["scores", "twenty"], ["_", "best"], axis=0),
        helper.make_node("Gather", ["all", "best"], ["output0"], axis=1)]
    (HERE / "final.onnx").write_bytes(model([1, 3, 64, 64], final, output([1, 20, 6]),
        [flat5(6), constant("half", np.float32(0.5)), constant("minus", np.array([-1], np.int64)), constant("twenty", np.array([20], np.int64))]))


def spots(height, width):
    p = ground(height, width)
    p[..., 0] //= 3
    y, x = np.mgrid[:height, :width]
    for cx, cy, r, b in [(0.3, 0.3, 0.14, 30), (0.7, 0.55, 0.2, 200), (0.2, 0.8, 0.1, 90)]:
        far = ((x - cx * width) ** 2 + (y - cy * height) ** 2) / (r * height) ** 2
        # Redder towards the middle, and a little to one side, so that no two cells are equally red.
        p[far < 1] = np.stack([200 - 70 * far + 40 * x / width, 20 + 0 * far, b + 0 * far], -1)[far < 1]
    return p


def letterboxed(p, side):
    """On grey; the size must be that of the input, or twice it, for which a mean of four is exact."""
    height, width = p.shape[:2]
    by = max(height, width) // side
    q = p.reshape(height // by, by, width // by, by, 3).astype(np.int64).sum((1, 3))
    q = (q + by * by // 2) // (by * by)
    out = np.full((side, side, 3), 114, np.uint8)
    top, left = (side - q.shape[0]) // 2, (side - q.shape[1]) // 2
    out[top:top + q.shape[0], left:left + q.shape[1]] = q
    return (out.astype(np.float32) / np.float32(255)).transpose(2, 0, 1)[None], by, left, top


def decoded(rows, layout):
    rows = rows[0]
    if layout == "wide":
        rows = rows.T
    out = []
    for r in rows:
        x0, y0, x1, y1 = r[:4] if layout == "final" else (r[0] - r[2] / 2, r[1] - r[3] / 2, r[0] + r[2] / 2, r[1] + r[3] / 2)
        score = r[4] if layout in ("wide", "final") else r[4] * max(r[5:])
        out.append([float(x0), float(y0), float(x1), float(y1), float(score)])
    return out


def suppressed(boxes, least):
    """OpenCV's, as an opinion that is neither ours nor the network's."""
    kept = cv2.dnn.NMSBoxes([[b[0], b[1], b[2] - b[0], b[3] - b[1]] for b in boxes], [b[4] for b in boxes], least, 0.45)
    return [boxes[i] for i in np.array(kept).ravel()]


def found_by_networks():
    out = {}
    pictures = {"square": spots(64, 64), "across": spots(96, 128)}
    for name, p in pictures.items():
        cv2.imwrite(str(HERE / f"{name}.png"), p[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    for network in ["wide", "tall", "final", "open"]:
        session = onnxruntime.InferenceSession(str(HERE / f"{network}.onnx"))
        for name, p in pictures.items():
            if network == "open":
                continue
            pixels, by, left, top = letterboxed(p, 64)
            rows = session.run(None, {"images": pixels})[0]
            height, width = p.shape[:2]
            boxes = []
            for x0, y0, x1, y1, score in suppressed(decoded(rows, network), 0.5):
                edges = [(x0 - left) * by, (y0 - top) * by, (x1 - left) * by, (y1 - top) * by]
                edges = [min(max(e, 0), most) for e, most in zip(edges, [width, height, width, height])]
                boxes.append([*edges, score])
            out[f"{network} {name}"] = sorted(boxes, key=lambda b: -b[4])
    return out


if __name__ == "__main__":
    cascades()
    p = picture()
    networks()
    golden = {"cascades": found_by_cascades(p), "networks": found_by_networks()}
    lines = [f'"{part}": {{\n' + ",\n".join(f'  "{k}": {json.dumps(v)}' for k, v in found.items()) + "\n}" for part, found in golden.items()]
    (HERE / "found.json").write_text("{" + ",\n".join(lines) + "}\n")
