// Checks exported graphs in onnxruntime-web (WebAssembly) against golden.json.
//
//   python check_onnx.py ../../../../target/release/tadne --web web && cp check_web.mjs web/ && cd web
//   npm install onnxruntime-web && node check_web.mjs
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

ort.env.wasm.numThreads = 1;
let worst = 0;
for (const { file, feed, pictures } of JSON.parse(readFileSync("expected.json", "utf8"))) {
  const session = await ort.InferenceSession.create(readFileSync(file), { executionProviders: ["wasm"] });
  const tensor = ({ dims, data }) => new ort.Tensor("float32", Float32Array.from(data), dims);
  const { image } = await session.run(Object.fromEntries(Object.entries(feed).map(([name, v]) => [name, tensor(v)])));
  const size = image.data.length / pictures.length;
  pictures.forEach(({ every, values }, i) => {
    const drawn = image.data.subarray(i * size, (i + 1) * size);
    values.forEach((value, k) => (worst = Math.max(worst, Math.abs(drawn[k * every] - value))));
  });
  await session.release();
  console.log(`${file}: ${pictures.length} pictures, worst so far ${worst.toExponential(1)}`);
  if (!(worst < 1e-4)) throw new Error(`${file}: ${worst}`);
}
