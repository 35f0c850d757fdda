"""Makes a copy of an installed ONNX Runtime that believes to be on a processor without AVX-512.

ONNX Runtime has no switch for that: its kernels are chosen by what the processor and the system say (`cpuid`, `xgetbv`).
The copy differs from the original in the one instruction sequence that asks the system which registers it saves: of the
answer only the bits up to AVX's are kept, so that the AVX2 kernels are chosen as they are on a machine without AVX-512.

    python mask.py FOLDER    FOLDER/onnxruntime is the copy; put FOLDER first in PYTHONPATH
"""

import importlib.util
import shutil
import sys
from pathlib import Path

# xgetbv; mov eax, eax; shl rdx, 32; or rdx, rax: rax and rdx hold the mask.
ASKS = bytes.fromhex("0f01d0 89c0 48c1e220 4809c2")
# xgetbv; and eax, 0x1f; mov edx, eax; nop: the same without bits 5 to 7, the registers of AVX-512.
MASKED = bytes.fromhex("0f01d0 83e01f 89c2 90909090")


def main():
    folder = Path(sys.argv[1])
    original = Path(importlib.util.find_spec("onnxruntime").origin).parent
    copy = folder / "onnxruntime"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    found = 0
    for library in copy.glob("capi/onnxruntime_pybind11_state*.so"):
        content = library.read_bytes()
        found += content.count(ASKS)
        library.write_bytes(content.replace(ASKS, MASKED))
    if not found:
        shutil.rmtree(copy)
        sys.exit("this ONNX Runtime asks for its registers in another way: it cannot be held to AVX2")


if __name__ == "__main__":
    main()
