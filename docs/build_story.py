"""Draw the figures of the story (docs/book/story.md) from the tracked tables and records.

    python docs/build_story.py            all of them
    python docs/build_story.py skill      one

Each goes to docs/book/pictures/story_<name>.png. What the story shows besides these are figures
that runs draw themselves.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import tracked
from matplotlib.figure import Figure

from seaice import paths
from seaice.errors import DataError
from seaice.figures import probability, style

FOLDER = paths.root() / "docs" / "book" / "pictures"
YEARS_RUN = "nsidc_edge"  # the observed run with most test years
ARCTIC = "nsidc_north"
RIVALS = ("damped_anomaly_persistence", "linear_trend", "recent_frequency", "trees")
METHOD, BASELINE = "integrated", "climatology"  # of attribution
CASES = {"2007-09": "September 2007", "2012-09": "September 2012", "2013-09": "September 2013"}
WIDTH = 8.2  # inches; legible at half of it


def skill() -> Figure:
    """Draw accuracy by lead, and IceNet's gain over four rivals with its intervals."""
    scores = tracked.table(YEARS_RUN, metric="binary_accuracy", split="test")
    gains = tracked.table(
        YEARS_RUN, "tables/differences.csv", model="icenet", metric="binary_accuracy", split="test"
    )
    with plt.rc_context(style.STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 4.4), layout="constrained")
        for model in (*RIVALS, "climatology", "icenet"):
            of_model = scores[scores.model == model].sort_values("lead_time")
            left.plot(of_model.lead_time, of_model.value, **style.line_style(model))
        for number, model in enumerate(RIVALS):
            pairs = gains[gains.baseline == model].sort_values("lead_time")
            look = style.line_style(model)
            at = pairs.lead_time + 0.09 * (number - 1.5)
            errors = [pairs.difference - pairs.low, pairs.high - pairs.difference]
            right.errorbar(
                at, pairs.difference, errors, ls="", marker=look["marker"], color=look["color"], capsize=2
            )
        right.axhline(0, color="#777777", lw=0.9)
        left.set(xlabel="lead (months)", ylabel="binary accuracy (%)")
        right.set(xlabel="lead (months)", ylabel="IceNet minus the other (percentage points)")
        for ax in (left, right):
            style.bare(ax)
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return fig


def reliability() -> Figure:
    """Draw the reliability of the observed Arctic's probabilities."""
    return probability.reliability(tracked.table(ARCTIC, "tables/reliability.csv"))


def attribution(lead: int = 3) -> Figure:
    """Draw which families of inputs three Septembers rest on, trained and untrained."""
    rows = tracked.table(
        ARCTIC, "tables/attribution_families.csv", method=METHOD, baseline=BASELINE, lead_time=lead
    )
    shares = rows.pivot(index="family", columns=["case", "network"], values="share")
    order = shares.mean(axis=1).sort_values().index
    with plt.rc_context(style.STYLE):
        fig, axes = plt.subplots(
            1, len(CASES), figsize=(WIDTH, 3.4), sharey=True, sharex=True, layout="constrained"
        )
        for ax, (case, title) in zip(axes, CASES.items(), strict=True):
            if case not in shares:
                raise DataError(f"results/{ARCTIC}/tables/attribution_families.csv has no case {case}")
            ax.barh(range(len(order)), shares[case]["trained"].reindex(order), color="#0072B2", height=0.6)
            ax.plot(
                shares[case]["untrained"].reindex(order), range(len(order)), "o", mfc="white", mec="black"
            )
            ax.set(title=title, xlabel="share (%)", yticks=range(len(order)), yticklabels=list(order))
            style.bare(ax)
        (bars,) = axes[0].plot([], [], "s", color="#0072B2", label="trained networks")
        (circle,) = axes[0].plot([], [], "o", mfc="white", mec="black", label="untrained: what is built in")
        fig.legend(handles=[bars, circle], loc="outside lower center", ncols=2, frameon=False)
    return fig


def cost() -> Figure:
    """Draw seconds and memory of a training step by the number of cells, from the benchmarks."""
    record = json.loads((paths.root() / "benchmarks" / "records" / "growth.json").read_text(encoding="utf-8"))
    labels = {"cells": "cells of the map (thousand)", "members": "members of a forecast"}
    with plt.rc_context(style.STYLE):
        fig, axes = plt.subplots(1, len(labels), figsize=(WIDTH, 3.2), layout="constrained")
        for ax, (name, label) in zip(axes, labels.items(), strict=True):
            points = pd.DataFrame({key: record["axes"][name][key] for key in ("values", "seconds", "mb")})
            across = points["values"] / (1000 if name == "cells" else 1)
            ax.plot(across, points.seconds, "k-o", label="seconds (left axis)")
            ax.set(xlabel=label, ylabel="seconds", ylim=(0, None))
            other = ax.twinx()
            other.plot(across, points.mb, "--s", color="#0072B2", label="memory (right axis)")
            other.set(ylabel="memory (MB)", ylim=(0, None))
            other.spines["top"].set_visible(False)
            style.bare(ax)
        handles = [*axes[0].lines, *other.lines]
        fig.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return fig


STORY: dict[str, Callable[[], Figure]] = {
    "skill": skill,
    "reliability": reliability,
    "attribution": attribution,
    "cost": cost,
}


def write(names: list[str], folder: Path = FOLDER) -> None:
    """Draw some figures of the story, or all if none is named. Raises DataError otherwise."""
    for name in names or STORY:
        if name not in STORY:
            raise DataError(f"the story has no figure '{name}'; there are {', '.join(STORY)}")
        fig = STORY[name]()
        style.save(fig, folder / f"story_{name}.png")
        plt.close(fig)


if __name__ == "__main__":
    try:
        write(sys.argv[1:])
    except DataError as error:
        sys.exit(f"error: {error}")
