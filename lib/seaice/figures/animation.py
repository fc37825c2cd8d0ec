"""How are figures put one after another? As an animated GIF whose bytes are always the same."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from seaice.files import replacing

FRAME_MS = 900  # ms, for each frame
FRAME_DPI = 80  # dots per inch; keeps an animation below 0.3 MB
COLOURS = 64  # of the palette


def frame(fig: Figure) -> Image.Image:
    """Return a figure `fig` as a frame, and close it."""
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=FRAME_DPI, metadata={"Software": None})
    plt.close(fig)
    return Image.open(buffer).convert("RGB").quantize(COLOURS)


def write(frames: Sequence[Image.Image], path: Path) -> None:
    """Write frames to `path`, as a GIF that begins anew at its end; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"append_images": frames[1:], "duration": FRAME_MS, "loop": 0}
    with replacing(path) as temporary:
        frames[0].save(temporary, format="GIF", save_all=True, **options)
