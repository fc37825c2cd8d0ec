"""Where does a link of a text lead in the book? To a page, a copy of a file, or the repository."""

import posixpath
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import unquote

from book import ROOT, BookError

# Link or picture in Markdown: the text may hold a pair of brackets, the target one of parentheses.
LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\])\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?\s*\)")
CODE = re.compile(r"^ *(```+|~~~+).*?^ *\1\s*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
FILES = "files"  # folder of the copies
PAGES = (".md", ".ipynb")  # a link to a copy of such a file would be taken for one to a page
DOWNLOAD = "download:"


class Links:
    """Links of all texts of one book.

    pages: page of the book by the file it is made of, both as POSIX paths, the first from the root
    of the project. address: of the repository on the web, or empty. `copied` collects the files
    that are linked to and are no page: by path in the project.
    """

    def __init__(self, pages: Mapping[str, str], address: str = "") -> None:
        """Keep the arguments."""
        self.pages = dict(pages)
        self.address = address.rstrip("/")
        self.copied: set[str] = set()

    def rewritten(self, text: str, source: str, page: str) -> str:
        """Return a text with links that are right in the book.

        source: file of the text. page: where it stands in the book. Both as in `pages`.
        Raises BookError for a link to a file that does not exist.
        """

        def change(link: re.Match) -> str:
            name, target = link[1], link[2]
            if not target or target.startswith("#") or ELSEWHERE.match(target):
                return link[0]
            place = self._place(target, source, page)
            if place.startswith(DOWNLOAD):
                file = place.removeprefix(DOWNLOAD)
                return f"{{download}}`{posixpath.basename(file)} <{file}>`"
            return f"{name}({place})" if place else name.strip("![]")

        return outside_code(text, lambda prose: LINK.sub(change, prose))

    def _place(self, target: str, source: str, page: str) -> str:
        """Return where a target is found from a page; empty where it is not in the book."""
        path, _, anchor = target.partition("#")
        name = posixpath.normpath(posixpath.join(posixpath.dirname(source), unquote(path)))
        here = posixpath.dirname(page) or "."
        for file in (name, f"{name}/README.md"):
            if file in self.pages:
                place = posixpath.relpath(self.pages[file], here)
                return f"{place}#{anchor}" if anchor else place
        if not (ROOT / name).exists():
            raise BookError(f"{source}: the link to {target} leads nowhere")
        if (ROOT / name).is_file():
            self.copied.add(name)
            kind = DOWNLOAD if name.endswith(PAGES) else ""
            return kind + posixpath.relpath(f"{FILES}/{name}", here)
        return f"{self.address}/tree/main/{name}" if self.address else ""

    def copy(self, folder: Path) -> None:
        """Copy the files that are linked to into the folder of the book's sources."""
        for name in sorted(self.copied):
            place = folder / FILES / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place)


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Return a text in Markdown with a change made to everything that is no code.

    The change sees a mark in the place of each piece of code, so that a link may have code in its
    text.
    """
    pieces: list[str] = []

    def hide(code: re.Match) -> str:
        pieces.append(code[0])
        return f"\0{len(pieces) - 1}\0"

    changed = change(CODE.sub(hide, text))
    return re.sub("\0([0-9]+)\0", lambda mark: pieces[int(mark[1])], changed)
