"""The book can be put together: every figure has a caption and a text, every link leads somewhere, every parameter is named."""

import base64
import io
import json
import re

import pytest
from book import BookError, assemble, captions, check, keep, links, notebooks, reference, runs, sources
from PIL import Image

from seaice import paths

NOTEBOOKS = sorted(
    [*(paths.root() / "notebooks").glob("*.ipynb"), *(paths.root() / "clients").glob("*.ipynb")]
)
PICTURE = "iVBORw0KGgo="


def saved_by(file) -> list[captions.Saved]:
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    code = [notebooks.text_of(cell) for cell in cells if cell["cell_type"] == "code"]
    return [one for source in code for one in captions.saved(source, captions.imported(code))]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_every_figure_of_a_notebook_has_a_caption_and_an_alternative_text(file):
    for one in saved_by(file):
        caption = captions.caption_of(one.name, file.stem)
        assert len(caption.caption) > 60 and len(caption.alt) > 60, one.name
        assert caption.caption != caption.alt
        assert one.code in reference.anchors(), f"the book does not see which function draws {one.name}"


def test_figures_are_seen_and_no_caption_is_left_over():
    names = [one.name for file in NOTEBOOKS for one in saved_by(file)]
    assert {"forecast_map", "history_seed", "extent", "attribution_lags", "route"} <= set(names)
    assert len(names) == len(set(names)), "two notebooks save a figure of the same name"
    assert assemble.captions_left_over() == []


def test_exercises_are_of_notebooks():
    assert set(assemble.exercises()) <= {file.stem for file in NOTEBOOKS}
    assert all(
        "*Compare*" in text or "*What should come out*" in text for text in assemble.exercises().values()
    )


def test_captions_name_no_number_of_one_run():
    shared = [caption for name, caption in captions.all_captions().items() if not name.startswith("story_")]
    texts = [text for caption in shared for text in (caption.caption, caption.alt)]
    assert not [text for text in texts if re.search(r"\d\.\d|\d ?%|\b(19|20)\d\d\b", text)]


def test_the_book_is_put_together(tmp_path):
    """A dead link, a figure without a caption, and a picture that no name belongs to are errors here."""
    count = assemble.write(tmp_path)
    assert count["pages"] >= 12 and count["figures"] >= 19 and count["texts"] > 50
    pages = [file for files in sources.executed().values() for file in files]
    assert len(list((tmp_path / "runs").glob("*/*.ipynb"))) == len(pages)
    labels = []
    for file in (tmp_path / "runs").glob("*/*.ipynb"):
        for cell in json.loads(file.read_text(encoding="utf-8"))["cells"]:
            assert not notebooks.PARAMETERS & set(cell["metadata"].get("tags", []))
            assert "# Parameters" not in cell["source"]
            shown = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
            assert len(shown) <= 1, "one figure a cell"
            if shown:
                about = cell["metadata"]["mystnb"]
                assert about["image"]["alt"] and about["figure"]["caption"]
                labels.append(about["figure"]["name"])
    assert len(labels) == len(set(labels)) == count["figures"]
    assert "<!--" not in (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")


def test_every_run_with_scores_has_a_title_and_every_model_a_label(tmp_path):
    for run in {
        *sources.scored(),
        *sources.executed(),
        *(file.stem for file in (paths.root() / "params").glob("*")),
    }:
        assert runs.title(run)
    rows = runs.scores("nsidc_north")
    assert rows[0] == ["lead", *"123456"] and rows[1][0] == "IceNet ensemble"


def test_every_parameter_is_documented():
    """By the docstring of its function, class or module, or because it means the same everywhere."""
    allowed = (captions.TEXTS / "undocumented.txt").read_text(encoding="utf-8").split("\n")
    allowed = {line for line in allowed if line and not line.startswith("#")}
    missing = set(reference.undocumented())
    assert missing - allowed == set(), "name them in the docstring, with dims, units and range"
    assert allowed - missing == set(), "they are documented now: take them out of docs/book/undocumented.txt"


def test_names_of_figures_and_of_what_drew_them_are_read_from_the_code():
    source = """
figure = maps.forecast_map(a, b)
style.save(figure, paths.figures(run) / "map.png")
for seed in seeds:
    save(history({seed: 1}), paths.figures(run) / f"history_{seed}.png")
table.save("no.png")
"""
    modules = captions.imported(
        ["from seaice.figures import maps, style\nfrom seaice.figures.training import history"]
    )
    assert captions.saved(source, modules) == [
        captions.Saved("map", False, "seaice.figures.maps.forecast_map"),
        captions.Saved("history", True, "seaice.figures.training.history"),
    ]


def notebook(*cells: tuple[str, int]) -> dict:
    """A notebook of cells of code, each with some pictures."""
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": PICTURE, "text/plain": "<Figure>"},
    }
    heading = {"cell_type": "markdown", "metadata": {}, "source": ["# A page\n", "\n", "Text.\n"]}
    code = [{"cell_type": "code", "metadata": {}, "source": s, "outputs": [output] * n} for s, n in cells]
    return {"cells": [heading, *code], "metadata": {}}


TWO = 'save(maps.a(x), folder / "roc.png")\nsave(maps.b(x), folder / "summer.png")'


def test_each_figure_gets_a_cell_of_its_own(tmp_path):
    page = notebook((TWO, 2))
    figures = notebooks.figures_of(page, "toy", "page", tmp_path)
    assert [figure.label for figure in figures[1]] == ["toy-roc", "toy-summer"]
    made = notebooks.page(
        page, figures, rewrite=str.upper, about="About.", sources=lambda figure: f"({figure.name})"
    )
    assert made["cells"][0]["source"].startswith("# A PAGE\n\nAbout.")
    code, first, second = made["cells"][1:]
    assert code["metadata"]["tags"] == ["hide-input"] and code["outputs"] == []
    assert first["metadata"]["mystnb"]["figure"]["name"] == "toy-roc" and second["source"] == "# summer"
    assert second["metadata"]["mystnb"]["figure"]["caption"].endswith("(summer)")


def test_a_figure_that_was_not_shown_is_taken_from_its_file(tmp_path):
    assert notebooks.figures_of(notebook((TWO, 0)), "toy", "page", tmp_path) == {}
    (tmp_path / "summer.png").write_bytes(b"png")
    figures = notebooks.figures_of(notebook((TWO, 0)), "toy", "page", tmp_path)
    assert [figure.label for figure in figures[1]] == ["toy-summer"]


@pytest.mark.parametrize(
    ("source", "pictures", "message"),
    [
        (TWO, 1, r"cell 1 shows 1 figures and saves 2 \(roc, summer\)"),
        ("plt.plot()", 1, r"shows 1 figures and saves 0 \(none\)"),
        ('save(f(x), folder / "nameless.png")', 1, "'nameless' has no caption"),
    ],
)
def test_a_figure_without_a_name_or_a_caption_is_refused(tmp_path, source, pictures, message):
    with pytest.raises(BookError, match=message):
        notebooks.figures_of(notebook((source, pictures)), "toy", "page", tmp_path)


def test_pages_that_are_kept_are_small_and_show_the_same(tmp_path, monkeypatch):
    image = Image.effect_noise((1000, 300), 90).convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    small = keep.small_picture(base64.b64encode(file.getvalue()).decode())
    assert len(base64.b64decode(small)) < 0.7 * len(file.getvalue())
    assert Image.open(io.BytesIO(base64.b64decode(small))).size == (keep.COLUMNS, 246)
    pages = keep.keep("demo", tmp_path)
    for page, original in zip(pages, sources.executed()["demo"], strict=True):
        few, all_of_them = (
            notebooks.figures_of(json.loads(one.read_text(encoding="utf-8")), "demo", one.stem, tmp_path)
            for one in (page, original)
        )
        names = [[figure.label for figure in of_cell] for of_cell in few.values()]
        assert names == [[figure.label for figure in of_cell] for of_cell in all_of_them.values()]
    assert sum(page.stat().st_size for page in pages) < 2e6
    with pytest.raises(BookError, match="`make nowhere` makes them"):
        keep.keep("nowhere", tmp_path)


def test_links_lead_to_pages_copies_or_the_repository():
    pages = {"docs/method.md": "docs/method.md", "docs/decisions/README.md": "decisions/index.md"}
    book = links.Links(pages)
    text = "[a](method.md#loss) [b](decisions) ![c](growth.png) [`d`](../lib) [e](https://x.org/y) [f](#here) `[g](h)`"
    assert book.rewritten(text, "docs/data.md", "docs/data.md") == (
        "[a](method.md#loss) [b](../decisions/index.md) ![c](../files/docs/growth.png) `d` [e](https://x.org/y) "
        "[f](#here) `[g](h)`"
    )
    assert book.copied == {"docs/growth.png"}
    there = links.Links(pages, "https://host/owner/name/")
    assert (
        there.rewritten("[d](../lib)", "docs/data.md", "x.md") == "[d](https://host/owner/name/tree/main/lib)"
    )
    with pytest.raises(BookError, match=r"docs/data.md: the link to nowhere.md leads nowhere"):
        book.rewritten("[a](nowhere.md)", "docs/data.md", "docs/data.md")


def test_a_docstring_becomes_a_paragraph_and_a_list_of_parameters():
    text = "Return a map.\n\nsip: 0..1 (y, x). ice, weight: as `sip`, see [1].\nRaises DataError for *gaps*."
    assert reference.prose(text, ["sip", "ice", "weight"]) == (
        "Return a map.\n\n- **sip**: 0..1 (y, x).\n- **ice**, **weight**: as `sip`, see \\[1\\].\n\n"
        "Raises DataError for \\*gaps\\*."
    )


def test_a_picture_without_a_text_and_a_figure_without_a_caption_are_seen(tmp_path):
    text = "A map of the Arctic with the ice edge."
    (tmp_path / "good.html").write_text(
        f'<article><figure><img src="a.png" alt="{text}"/><figcaption>x</figcaption></figure></article>'
    )
    assert check.faults(tmp_path) == []
    (tmp_path / "bad.html").write_text(
        f'<img src="logo.png"/><article><img src="b/c.png" alt="c.png"/><figure><img alt="{text}"/></figure></article>'
    )
    assert check.faults(tmp_path) == [
        "bad.html: the picture c.png has no text: alt='c.png'",
        "bad.html: a figure has no caption",
    ]
