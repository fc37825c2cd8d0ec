"""Which executed pages are tracked for the book? `python -m book.keep <run>` keeps those of a run.

A run's pages stay where it wrote them, outside the repository. What is kept of them has pictures
of at most 820 columns and 96 colours, and no plain text where there is a table, so that a run takes
about a megabyte. It needs Pillow, which the environment of the package has.
"""

import base64
import io
import json
import sys
from pathlib import Path

from book import ROOT, BookError, notebooks, sources

COLUMNS, COLOURS = 820, 96


def keep(run: str, folder: Path | None = None) -> list[Path]:
    """Keep the executed pages of a run, in place of those that were kept before. Returns them.

    folder: where; by default where the book finds them. Raises BookError if the run has none.
    """
    files = sorted(file for file in (ROOT / "results" / run / "notebooks").glob("[0-9]*.ipynb"))
    files = [file for file in files if not file.name.endswith(".failed.ipynb")]
    if not files:
        raise BookError(f"results/{run}/notebooks has no executed page: `make {run}` makes them")
    folder = folder or ROOT / sources.KEPT / run
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.ipynb"):
        old.unlink()
    kept = []
    for file in files:
        page = json.loads(file.read_text(encoding="utf-8"))
        figures = notebooks.figures_of(page, run, file.stem, ROOT / "results" / run / "figures")
        for number, cell in enumerate(page["cells"]):
            if cell["cell_type"] == "code":
                cell["outputs"] = _small(cell.get("outputs", []), figures.get(number, []))
        kept.append(folder / file.name)
        kept[-1].write_text(json.dumps(page, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return kept


def _small(outputs: list[dict], figures: list[notebooks.Figure]) -> list[dict]:
    """Return the outputs of a cell in little space; its figures come last."""
    texts = [output for output in outputs if notebooks.PICTURE not in output.get("data", {})]
    for output in texts:
        if "text/html" in output.get("data", {}):
            output["data"].pop("text/plain", None)
    pictures = [{notebooks.PICTURE: small_picture(figure.picture)} for figure in figures]
    return texts + [{"output_type": "display_data", "metadata": {}, "data": data} for data in pictures]


def small_picture(picture: str) -> str:
    """Return a PNG picture with fewer columns and colours; both are base64."""
    from PIL import Image

    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB")
    if image.width > COLUMNS:
        image = image.resize((COLUMNS, round(image.height * COLUMNS / image.width)), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


if __name__ == "__main__":
    try:
        for run in sys.argv[1:]:
            pages = keep(run)
            print(f"{run}: {len(pages)} pages, {sum(page.stat().st_size for page in pages) / 1e6:.1f} MB")
    except BookError as error:
        sys.exit(f"error: {error}")
