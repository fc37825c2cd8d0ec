"""Build the book: `python -m book [folder]`, by default to `data/book`. Warnings are errors."""

import subprocess
import sys
from pathlib import Path

from book import ROOT, TEXTS, BookError, assemble, check


def main(folder: Path) -> None:
    """Write the sources, build the pages and look at them. Raises BookError for any fault."""
    count = assemble.write(folder / "source")
    if idle := assemble.captions_left_over():
        raise BookError(f"docs/book/figures.yaml: no page shows {', '.join(idle)}")
    options = ["-b", "html", "-c", str(TEXTS), "-W", "--keep-going", "-j", "auto", "-q"]
    places = [str(folder / "source"), str(folder / "html"), "-d", str(folder / "doctrees")]
    if subprocess.run([sys.executable, "-m", "sphinx", *options, *places], check=False).returncode:
        raise BookError("the pages could not be built without warnings: see above")
    if faults := check.faults(folder / "html"):
        raise BookError("\n".join(faults))
    first = folder / "html" / "index.html"
    print(f"{count['texts']} texts, {count['pages']} executed pages and {count['figures']} figures:")
    print(first.relative_to(ROOT) if first.is_relative_to(ROOT) else first)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "data" / "book")
    except BookError as error:
        sys.exit(f"error: {error}")
