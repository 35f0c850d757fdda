#!/usr/bin/env python3
"""Draws a collection for `tadne prepare`: COUNT JPEGs of 96 px, a thousand a folder, with known faults.

Every 50th file is cut off in its middle, every 25th has 32 px, and every 20th has the bytes of the one before it.

python3 -m venv /tmp/draw && /tmp/draw/bin/pip install pillow
/tmp/draw/bin/python tools/load/collection.py FOLDER 200000
"""

import io
import os
import random
import sys

from PIL import Image, ImageDraw


def drawn(number):
    """The bytes of a file."""
    # One that repeats another is drawn from the same numbers.
    source = random.Random(number if number % 20 or not number else number - 1)
    side = 32 if number % 25 == 7 else 96
    picture = Image.new("RGB", (side, side), tuple(source.randrange(60, 256) for _ in range(3)))
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        x, y = source.randrange(-20, side), source.randrange(-20, side)
        w, h = source.randrange(6, 60), source.randrange(6, 60)
        shape = draw.ellipse if source.random() < 0.5 else draw.rectangle
        shape((x, y, x + w, y + h), fill=tuple(source.randrange(256) for _ in range(3)))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    contents = out.getvalue()
    return contents[: len(contents) // 2] if number % 50 == 3 else contents


def main(folder, count):
    for number in range(count):
        place = f"{folder}/{number // 1000:03d}"
        os.makedirs(place, exist_ok=True)
        with open(f"{place}/{number:06d}.jpg", "wb") as file:
            file.write(drawn(number))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
