"""No link is dead in README, docs, notebooks and executed pages; addresses elsewhere are judged by their form only."""

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from seaice import paths
from seaice.run import plan
from seaice.run.clean import clean

ROOT = paths.root()
LINK = re.compile(
    r"!?\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\(\s*<?([^()\s<>]*(?:\([^()\s]*\)[^()\s<>]*)*)>?(?:\s+\"[^\"]*\")?\s*\)"
)
REFERENCE = re.compile(r"^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
HTML = re.compile(r"<(?:a|img)\b[^>]*?\b(?:href|src)=[\"']([^\"']+)[\"']")
BARE = re.compile(r"<(https?://[^>\s]+)>")
CODE = re.compile(r"^(```|~~~).*?^\1\s*$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows, or would know after the next commit, sorted."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return sorted({ROOT / name for name in names if name and (ROOT / name).is_file()})


def markdown(file: Path) -> str:
    """Text of a page without its code; of a notebook, that of its Markdown cells."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return CODE.sub("", text)


def links(text: str) -> list[str]:
    """Targets of all links and pictures of a text in Markdown."""
    return [target for pattern in (LINK, REFERENCE, HTML, BARE) for target in pattern.findall(text)]


def slug(heading: str) -> str:
    """Anchor of a heading as GitHub makes it: lower case, no punctuation, a hyphen for each space."""
    words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@cache
def anchors(file: Path) -> set[str]:
    """Anchors of a page's headings, repeated ones numbered, and those set by hand."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".ipynb":
        text = markdown(file)
    found: set[str] = set()
    for heading in re.findall(
        r"^#{1,6}\s+(.*?)\s*#*$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M
    ):
        anchor, n = slug(heading), 0
        while (name := f"{anchor}-{n}" if n else anchor) in found:
            n += 1
        found.add(name)
    return found | set(re.findall(r"<a\s+(?:id|name)=[\"']([^\"']+)", text))


def dead(target: str, file: Path) -> str:
    """Say why a link of a file leads nowhere; empty where it leads somewhere."""
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        return "" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc) else "no address of a host"
    if parts.scheme in ("mailto", "data", "attachment"):
        return ""
    if parts.scheme or target.startswith("/"):
        return "neither relative nor an address on the web"
    page = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not page.is_relative_to(ROOT):
        return "outside the project"
    if not page.exists():
        return "there is no such file"
    if parts.fragment and page.suffix in (".md", ".ipynb") and unquote(parts.fragment) not in anchors(page):
        return f"{page.name} has no such heading"
    return ""


PAGES = tracked("*.md", "notebooks/*.ipynb", "clients/*.ipynb", "results/**/*.ipynb")


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_link_is_dead(file: Path):
    reasons = {target: dead(target, file) for target in links(markdown(file))}
    assert {target: reason for target, reason in reasons.items() if reason} == {}


def test_pages_and_links_are_seen():
    names = {file.relative_to(ROOT).as_posix() for file in PAGES}
    assert {"README.md", "CONTRIBUTING.md", "docs/method.md", "docs/decisions/README.md"} <= names
    assert sum(name.startswith("notebooks/") for name in names) >= 12
    assert sum(name.startswith("results/demo/notebooks/") for name in names) >= 12
    assert len(links(markdown(ROOT / "README.md"))) > 10


def test_a_dead_link_is_seen():
    page = ROOT / "README.md"
    text = "[a](CONTRIBUTING.md#tests-and-locks) ![b](no/picture.png) [c](CHANGELOG.md#nowhere) <https://nohost> `[d](e)`"
    assert links(CODE.sub("", text)) == [
        "CONTRIBUTING.md#tests-and-locks",
        "no/picture.png",
        "CHANGELOG.md#nowhere",
        "https://nohost",
    ]
    assert dead("no/picture.png", page) == "there is no such file"
    assert dead("CHANGELOG.md#nowhere", page) == "CHANGELOG.md has no such heading"
    assert dead("https://nohost", page) == "no address of a host"
    assert dead("../elsewhere.md", page) == "outside the project"
    assert dead("/elsewhere/x.md", page) == "neither relative nor an address on the web"
    assert dead("CHANGELOG.md#unreleased", page) == ""
    assert dead("https://doi.org/10.1175/JCLI-D-14-00654.1", page) == ""


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What is simulated, what is observed", "what-is-simulated-what-is-observed"),
        ("The `key` of [a](b)", "the-key-of-a"),
    ],
)
def test_anchors_are_those_of_the_web_page(heading: str, anchor: str):
    assert slug(heading) == anchor


def test_executed_pages_link_to_executed_pages(tmp_path):
    planned = plan.load(ROOT / "params" / "demo.yaml", checksum=lambda entry: "not asked")
    before = {step.notebook: "" for step in planned.run.steps}
    jobs = {job.name: job for step in planned.run.steps for job in planned.jobs(step, before=before)}
    assert jobs["04_pretrain-seed_36_to_37"].pages["05_train"] == "05_train-seed_36_to_37"
    assert jobs["03_baselines"].pages["05_train"] == "05_train-seed_36_to_37"
    for job in jobs.values():
        file = tmp_path / f"{job.name}.ipynb"
        file.write_bytes((ROOT / "notebooks" / f"{job.notebook}.ipynb").read_bytes())
        clean(file, job.root, job.pages)
        pages = {target for target in links(markdown(file)) if re.match(r"\d\d_", target)}
        assert pages <= {f"{name}.ipynb" for name in jobs}
