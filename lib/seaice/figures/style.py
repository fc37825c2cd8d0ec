"""How do all figures look? Palette, fonts, and the pieces that several charts share.

Lines differ by marker and dash as well as by colour (the palette of Okabe and Ito), so that
everybody can tell them apart, in grey as well. Heat maps have their numbers written in, so that no
colour has to be compared with a colour bar.
"""

import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seaice.files import replacing
from seaice.steps import MONTH_NAMES
from seaice.verify.tables import HIGHER_IS_BETTER

with warnings.catch_warnings():
    # cmocean 3.0.3 uses an argument that matplotlib 3.11 warns of; its colour maps are right.
    warnings.simplefilter("ignore", DeprecationWarning)
    import cmocean

# A notebook's backend is loaded with the first figure, and switches on what shows figures below
# their cells. If that happened within the `rc_context` of that figure, its end would switch it off
# again, and no later cell would show any.
plt.switch_backend(plt.get_backend())

DPI = 110  # dots per inch: sharp on a screen, and figures stay below 0.3 MB
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}
MODELS = {  # name: label, colour, dash, marker
    "icenet": ("IceNet ensemble", "#000000", "-", "o"),
    "networks": ("IceNet's networks alone", "#777777", "--", "h"),
    "trees": ("boosted trees", "#D55E00", "--", "s"),
    "plain_trees": ("boosted trees of plain features", "#D55E00", ":", "s"),
    "seasonal": ("physics, bias-corrected", "#E69F00", "-", "P"),
    "seasonal_raw": ("physics, raw", "#E69F00", ":", "p"),
    "perfect_model": ("limit: true physics and state", "#222222", "-.", "1"),
    "ecmwf_edge": ("ECMWF edge, raw", "#7A3B00", "", "*"),
    "ecmwf_edge_corrected": ("ECMWF edge, corrected from earlier years", "#B2182B", "", "P"),
    "first_guess": ("networks' first guess, fitted", "#5D3A9B", "-", "d"),
    "damped_anomaly_persistence": ("damped anomaly persistence", "#0072B2", "-.", "^"),
    "linear_trend": ("linear trend", "#009E73", "--", "D"),
    "anomaly_persistence": ("anomaly persistence", "#56B4E9", ":", "v"),
    "recent_frequency": ("frequency of the last ten years", "#777777", "-.", "X"),
    "climatology": ("climatology", "#777777", "-", "x"),
    "persistence": ("persistence", "#CC79A7", ":", "+"),
    "published_icenet": ("IceNet, published", "#000000", ":", "o"),
    "published_icenet_no_pretraining": ("IceNet, published, not pre-trained", "#777777", ":", "h"),
    "published_seas5": ("SEAS5, published", "#E69F00", "--", "P"),
    "published_linear_trend": ("linear trend, published", "#009E73", ":", "D"),
}
# In tables, but not in charts of all models: their lines would lie along those of others.
TABLES_ONLY = ("anomaly_persistence", "plain_trees")
METRIC_LABELS = {
    "binary_accuracy": "binary accuracy (%)",
    "iiee": "ice-edge error IIEE (million km²)",
    "iiee_over": "ice forecast where there was none (million km²)",
    "iiee_under": "ice missed (million km²)",
    "sps": "spatial probability score (million km²)",
    "brier": "Brier score",
    "brier_skill": "Brier skill over climatology or recent frequency",
    "rps": "ranked probability score",
    "sie_error": "extent error (million km²)",
    "extent_crps": "CRPS of extent (million km²)",
    "siconc_rmse": "RMSE of concentration",
    "siconc_mae": "mean absolute error of concentration",
    "siconc_iiee": "ice-edge error IIEE (million km²)",
    "siconc_iiee_over": "ice forecast where there was none (million km²)",
    "siconc_iiee_under": "ice missed (million km²)",
}
MOST_LEADS = 12  # rows or ticks that a chart has room for
MONTHS = tuple(name[:3] for name in MONTH_NAMES)


def save(fig: Figure, path: Path) -> None:
    """Write a figure as PNG at `path`.

    The same figure gives the same bytes. The file is written completely or not at all.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        fig.savefig(unfinished, format="png", dpi=DPI, metadata={"Software": None})


def line_style(model: str, number: int = 0) -> dict:
    """Return label, colour, dash and marker of a model, the same in every figure.

    number: tells models apart that are not in `MODELS`.
    """
    fallback = (model, f"C{number}", (0, (1 + number % 4, 1)), "<>hd"[number % 4])
    label, colour, dash, marker = MODELS.get(model, fallback)
    width = 2.6 if model == "icenet" else 1.5
    return {
        "label": label,
        "color": colour,
        "ls": dash,
        "marker": marker,
        "lw": width,
        "ms": 7 if marker in "*+xP" else 5,
    }


def bare(ax) -> None:
    """Remove what carries no information, and put a light grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)


def leads_to_show(leads, most: int = MOST_LEADS) -> list[int]:
    """Return the leads that a table or an axis has room for.

    These are all leads if there are at most `most`, otherwise `most` of them, evenly spread from
    the first to the last.
    """
    leads = sorted(map(int, set(leads)))
    places = np.linspace(0, len(leads) - 1, min(most, len(leads))).round().astype(int)
    return [leads[k] for k in places]


def score_heat(ax, table: pd.DataFrame, metric: str):
    """Draw a table of scores with `heat`, better ones lighter, and return the image."""
    low, high = float(table.min().min()), float(table.max().max())
    ice = cmocean.cm.ice if metric in HIGHER_IS_BETTER else cmocean.cm.ice_r
    return heat(ax, table, cmap=ice, low=low, high=high, form=".1f" if high >= 10 else ".3g")


def heat(ax, table: pd.DataFrame, *, cmap, low: float, high: float, form: str):
    """Draw a table as coloured cells with its numbers in them, and return the image.

    form: format of the numbers. With a sign ("+.1f") the cells below zero are hatched. Missing
    cells get a dash.
    """
    image = ax.imshow(table, cmap=cmap, vmin=low, vmax=high, aspect="auto")
    size = 9 if table.shape[1] <= 12 else 8
    for (row, column), value in np.ndenumerate(table.to_numpy(dtype=float)):
        if not np.isfinite(value):
            ax.text(column, row, "–", ha="center", va="center", color="#777777", fontsize=size)
            continue
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.30 * red + 0.59 * green + 0.11 * blue < 0.55
        text = f"{value:{form}}"
        if float(text) == 0:
            text = text.lstrip("+-")
        if "+" in form and text.startswith("-"):
            ax.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, hatch="///", lw=0, ec="#00000040")
            )
        ax.text(
            column, row, text, ha="center", va="center", color="white" if dark else "black", fontsize=size
        )
    ax.set(
        xticks=range(table.shape[1]),
        xticklabels=table.columns,
        yticks=range(len(table)),
        yticklabels=table.index,
    )
    return image
