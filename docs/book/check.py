"""Is the book whole that was built? Every picture has a text, and every figure a caption."""

from html.parser import HTMLParser
from pathlib import Path

LEAST = 20  # characters of a text that stands for a picture


class Pictures(HTMLParser):
    """Pictures of the article of a page: their texts, and the captions of figures."""

    def __init__(self) -> None:
        """Begin with no picture."""
        super().__init__()
        self.figures: list[dict] = []
        self.faults: list[str] = []
        self._depth = 0  # of the article

    def handle_starttag(self, tag: str, attrs: list) -> None:
        """Note where a picture begins."""
        values = {key: value or "" for key, value in attrs}
        if tag == "article":
            self._depth += 1
        elif tag == "figure":
            self.figures.append({"caption": False})
        elif tag == "figcaption" and self.figures:
            self.figures[-1]["caption"] = True
        elif tag == "img" and self._depth:
            name, text = Path(values.get("src", "")).name, values.get("alt", "")
            if len(text.strip()) < LEAST or text.endswith(".png"):
                self.faults.append(f"the picture {name} has no text: alt='{text}'")

    def handle_endtag(self, tag: str) -> None:
        """Note where a figure ends."""
        if tag == "article":
            self._depth -= 1
        elif tag == "figure" and self.figures and not self.figures.pop()["caption"]:
            self.faults.append("a figure has no caption")


def faults(folder: Path) -> list[str]:
    """Return what is wrong with the pages of a built book, each with its page."""
    wrong = []
    for file in sorted(folder.rglob("*.html")):
        pictures = Pictures()
        pictures.feed(file.read_text(encoding="utf-8"))
        wrong += [f"{file.relative_to(folder)}: {fault}" for fault in pictures.faults]
    return wrong
