"""Makes the files of this folder: what the project has no encoder for. Needs Pillow, and `webp` of PyPI for one of them; `python make.py` in this folder."""
import math

import webp
from PIL import Image


def drawn(width, height, detail):
    """Discs and waves, with fine grain as `detail` grows."""
    pixels = []
    for y in range(height):
        for x in range(width):
            disc = 120 if (x - width / 2) ** 2 + (y - height / 3) ** 2 < (height / 4) ** 2 else 0
            wave = 60 + 50 * math.sin(x / 9) * math.cos(y / 7)
            grain = ((x * 7919 + y * 104729 + x * y * 31) % 256 - 128) * detail / 255
            pixels.append(tuple(max(0, min(255, int(v + grain))) for v in (wave + disc, wave, 200 - wave + disc / 2)))
    image = Image.new("RGB", (width, height))
    image.putdata(pixels)
    return image


for name, size, detail, quality in [
    ("lossy", (96, 80), 40, 80),
    ("grain", (64, 64), 255, 90),
    ("smooth", (150, 101), 0, 60),
    ("tiny", (7, 5), 100, 75),
]:
    drawn(*size, detail).save(f"{name}.webp", quality=quality, method=4)
# Coefficients in four partitions: the 19th number of libwebp's WebPConfig is the logarithm of their count, which methods above 2 pass over.
config = webp.WebPConfig.new(quality=85, lossless=False)
config.method = 2
webp.ffi.cast("int*", config.ptr)[18] = 2
with open("partitions.webp", "wb") as file:
    file.write(webp.WebPPicture.from_pil(drawn(120, 144, 90)).encode(config).buffer())
Image.new("RGB", (300, 300), (90, 120, 200)).save("flat.webp", quality=75)
see_through = drawn(60, 60, 20).convert("RGBA")
see_through.putalpha(Image.linear_gradient("L").resize((60, 60)))
see_through.save("alpha.webp", quality=80)
drawn(40, 40, 10).save("animated.webp", quality=70, save_all=True, append_images=[drawn(40, 40, 60)], duration=100)

# libjpeg's progressive pictures send coefficients in several passes of bits, and its restart markers count rows.
for name, size, detail, options in [
    ("progressive", (130, 100), 60, {"progressive": True, "quality": 85}),
    ("progressive-420", (97, 75), 30, {"progressive": True, "quality": 70, "subsampling": 2, "restart_marker_blocks": 5}),
    ("optimised-420", (111, 93), 60, {"optimize": True, "quality": 80, "subsampling": 2}),
    ("restarts-422", (100, 64), 60, {"quality": 85, "subsampling": 1, "restart_marker_rows": 1}),
]:
    drawn(*size, detail).save(f"{name}.jpg", **options)
drawn(50, 50, 60).convert("L").save("grey-progressive.jpg", progressive=True, quality=80)
drawn(50, 50, 60).convert("CMYK").save("cmyk.jpg", quality=80)
