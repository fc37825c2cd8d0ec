"""How does a file appear only when it is whole? Under another name first, then by one rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the ending of `path` that takes its place if the block succeeds, and is deleted if not."""
    part = path.with_name(f"part_{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
