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


@needs_browser
def test_a_slider_shows_one_lead_and_then_another(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    assert '<body class="slides">' in shown(page, tmp_path)
    figures = re.findall(r"<figure[^>]*>", shown(page, tmp_path))
    assert figures == ['<figure class="shown">', '<figure class="">', '<figure class="">']
    moved = tmp_path / "moved.html"
    move = "<script>r.value=2;r.dispatchEvent(new Event('input'))</script></body>"
    moved.write_text(text.replace("</body>", move), encoding="utf-8")
    assert re.findall(r"<figure[^>]*>", shown(moved, tmp_path))[2] == '<figure class="shown">'


@needs_browser
def test_without_scripts_every_map_and_place_is_there(page, tmp_path):
    text = shown(page, tmp_path, "--blink-settings=scriptEnabled=false")
    assert "slides" not in re.search(r"<body[^>]*>", text)[0] and text.count("<figure>") == served.N_LEADS
    assert "Utqiagvik" in text and '<table id="places">' in text
