"""The page of a product in a real browser: a slider with JavaScript, all maps without."""

import re
import shutil
import subprocess

import pytest
from support import served

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEAICE_CACHE", str(tmp_path_factory.mktemp("data")))
        yield served.make("here", "1990-06-01") / "index.html"


def shown(file, tmp_path, *options) -> str:
    """The page as the browser has it after its scripts have run."""
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [*command, *options, "--dump-dom", f"file://{file}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


def has_shown(text: str) -> list[bool]:
    """For each figure, whether it is the one that is shown."""
    return ['class="shown"' in figure for figure in re.findall(r"<figure[^>]*>", text)]


@needs_browser
def test_a_slider_shows_one_lead_and_then_another(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    assert '<body class="slides">' in shown(page, tmp_path)
    assert has_shown(shown(page, tmp_path)) == [True, False, False]
    moved = tmp_path / "moved.html"
    move = "<script>r.value=2;r.dispatchEvent(new Event('input'))</script></body>"
    moved.write_text(text.replace("</body>", move), encoding="utf-8")
    assert has_shown(shown(moved, tmp_path)) == [False, False, True]


def test_without_scripts_every_map_and_place_is_there(page):
    """Figures are hidden only below `slides`, which a script sets."""
    text = page.read_text(encoding="utf-8")
    assert "<body>" in text and text.count("<figure>") == served.N_LEADS
    hidden = re.findall(r"([^{}<>]*figure[^{}]*)\{[^}]*display: ?none", text)
    assert hidden and all("slides" in selector for selector in hidden)
    assert "Utqiagvik" in text and '<table id="places">' in text
