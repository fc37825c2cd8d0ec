"""How do executed pages, docs and docstrings become a book? `make book` builds it.

Nothing is executed and the package is not imported. `sources` says which text becomes which page,
`links` leads from page to page, `notebooks` makes pages of executed notebooks, `captions` says what
each figure shows, `runs` writes a first page for each run, `reference` writes pages of docstrings,
and `check` looks at what was built.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "docs" / "book"


class BookError(Exception):
    """What has to be put right before the book can be built."""
