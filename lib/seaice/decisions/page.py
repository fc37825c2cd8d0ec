"""What does somebody see who opens a product in a browser? One file, with or without JavaScript."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import xarray as xr
from PIL import Image

from seaice.decisions import dataset, words
from seaice.grid import Grid
from seaice.products import product
from seaice.steps import MONTH_NAMES, cadence_of

PAGE = "index.html"
LEAST = 360  # pixels of a side of the map at least
MOST_LEADS = 12
OPEN, ICE, LAND = np.array([[18, 52, 86], [245, 248, 250], [128, 122, 112]], float)  # RGB of the map
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:1.5rem auto;max-width:64rem;padding:0 1rem;color:#1c2b39}"
    "figure{display:inline-block;margin:.3rem}.map{position:relative;display:block}"
    ".map img{width:100%;image-rendering:pixelated;display:block}.map svg{position:absolute;inset:0}"
    "figure{width:min(30%,22rem)}body.slides figure{display:none;width:min(96%,34rem)}"
    "body.slides figure.shown{display:block}#slider{display:none}body.slides #slider{display:block}"
    "input{width:min(96%,34rem)}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #d5dde3;vertical-align:top}"
    "pre{white-space:pre-wrap}"
)
SCRIPT = (
    "const f=[...document.querySelectorAll('figure')],r=document.getElementById('lead');"
    "if(f.length&&r){document.body.classList.add('slides');"
    "const show=()=>f.forEach((e,k)=>e.classList.toggle('shown',k==r.value));"
    "r.addEventListener('input',show);show();}"
)


def page(ds: xr.Dataset, decisions: xr.Dataset | None, *, summary: str) -> str:
    """Return a page with a map of each lead, a table of places, and the summary, as one HTML file.

    ds: CF dataset of a product. decisions: see `dataset.dataset`; None leaves the table out.
    summary: text. Without JavaScript the maps stand side by side; with it a slider shows one of
    them. Nothing is fetched. Every text is escaped.
    """
    leads = np.unique(np.linspace(0, ds.sizes["time"] - 1, MOST_LEADS).round().astype(int))
    figures = [_figure(ds, decisions, int(k)) for k in leads]
    title = html.escape(str(ds.attrs["title"]))
    slider = (
        f'<p id="slider"><label>Lead <input id="lead" type="range" min="0" max="{len(leads) - 1}" value="0">'
    )
    rows = _rows(decisions) if decisions is not None else []
    head = "<tr><th>Place</th><th>Now</th><th>Below 15 %</th><th>Back to 15 %</th></tr>"
    table = f'<h2>Places</h2><table id="places">{head}{"".join(rows)}</table>' if rows else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head>"
        f"<body><h1>{title}</h1><p>Probability of sea ice (concentration above 15 %): dark is open water, "
        "white is ice, brown is land. Rings are named places. Data, licence and checksums: "
        "<code>item.json</code>.</p>"
        f"{slider}</label></p>{''.join(figures)}{table}"
        f"<h2>Summary</h2><pre>{html.escape(summary)}</pre><script>{SCRIPT}</script></body></html>\n"
    )


def _figure(ds: xr.Dataset, decisions: xr.Dataset | None, k: int) -> str:
    """Return the map of one lead."""
    sip = ds["sip"].isel(time=k)
    moment = pd.Timestamp(ds["time"].values[k])
    day = "" if cadence_of(ds.attrs) == "monthly" else f"{moment.day} "
    name = f"{day}{MONTH_NAMES[moment.month - 1]} {moment.year}"
    marks = _marks(ds, decisions) if decisions is not None else ""
    svg = f'<svg viewBox="0 0 1 1" preserveAspectRatio="none">{marks}</svg>'
    image = f'<img alt="probability of sea ice, {name}" src="data:image/png;base64,{_png(sip)}">'
    return f'<figure><span class="map">{image}{svg}</span><figcaption>{name}</figcaption></figure>'


def _png(sip: xr.DataArray) -> str:
    """Return a map (y, x) of a probability as PNG in base64."""
    values = sip.transpose("y", "x").values.astype(float)
    share = np.nan_to_num(values)[..., None].clip(0, 1)
    colours = np.where(np.isnan(values)[..., None], LAND, OPEN + share * (ICE - OPEN))
    image = Image.fromarray(colours.round().astype("uint8"))
    times = int(np.ceil(LEAST / image.width))
    image = image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST).quantize(64)
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _marks(ds: xr.Dataset, decisions: xr.Dataset) -> str:
    """Return a ring for each place, on a map of width and height 1."""
    grid = Grid.of(ds.attrs)
    to_map = pyproj.Transformer.from_crs(4326, grid.crs, always_xy=True)
    x, y = to_map.transform(decisions["place_lon"].values, decisions["place_lat"].values)
    half = grid.size * grid.resolution_km * 500
    rings = []
    for name, left, top in zip(
        decisions["place_name"].values, (x + half) / (2 * half), (half - y) / (2 * half), strict=True
    ):
        at = f'cx="{left:.4f}" cy="{top:.4f}" r="0.008" fill="none" stroke="#d1495b" stroke-width="0.003"'
        rings.append(f"<circle {at}><title>{html.escape(str(name))}</title></circle>")
    return "".join(rings)


def _rows(decisions: xr.Dataset) -> list[str]:
    """Return a row of the table for each place."""
    return [_row(words.brief(decisions.isel(place=number))) for number in range(decisions.sizes["place"])]


def _row(cells: Sequence[str]) -> str:
    """Return cells as a row of a table."""
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def write(folder: Path, ds: xr.Dataset, context: product.Context) -> None:
    """Write the page into a product's folder, after the decisions and the summary."""
    file = folder / dataset.NETCDF
    summary = (folder / product.TEXT).read_text(encoding="utf-8")
    decisions = xr.load_dataset(file) if file.is_file() else None
    (folder / PAGE).write_text(page(ds, decisions, summary=summary), encoding="utf-8")
