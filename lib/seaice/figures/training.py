"""How does training proceed, as a chart?

It has a module of its own, as every figure of one page has: a change of another page's figure then
leaves the trainings fresh.
"""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seaice.figures.style import STYLE, bare, cmocean


def history(histories: Mapping[int, pd.DataFrame], kept: Mapping[int, int]) -> Figure:
    """Draw loss and accuracy by epoch of every member, training dashed, validation solid.

    A circle marks the epoch that is kept.
    histories: seed to table with columns loss, accuracy, val_loss, val_accuracy and the epoch as
    index. kept: seed to epoch that is kept.
    """
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.6), layout="constrained")
        shades = cmocean.cm.deep(np.linspace(0.35, 0.95, len(histories)))
        for (seed, table), colour in zip(histories.items(), shades, strict=True):
            for ax, name, factor in zip(axes, ("loss", "accuracy"), (1, 100), strict=True):
                ax.plot(table.index, factor * table[name], ls="--", lw=1, color=colour)
                ax.plot(
                    table.index, factor * table[f"val_{name}"], lw=1.8, color=colour, label=f"seed {seed}"
                )
                best = factor * table[f"val_{name}"][kept[seed]]
                ax.plot(kept[seed], best, "o", ms=6, mfc="white", mec=colour, mew=1.8)
        for ax, label in zip(axes, ("loss", "accuracy of 3 classes (%)"), strict=True):
            ax.set(xlabel=table.index.name or "epoch", ylabel=label)
            ax.xaxis.get_major_locator().set_params(integer=True)
            bare(ax)
        for dash, label in (("--", "training"), ("-", "validation, circle: kept")):
            axes[0].plot([], [], color="#444444", ls=dash, label=label)
        handles, labels = axes[0].get_legend_handles_labels()
        # With many members the first and the last name are enough.
        entries = [*range(len(handles))] if len(histories) <= 6 else [0, len(histories) - 1, -2, -1]
        axes[0].legend([handles[k] for k in entries], [labels[k] for k in entries], frameon=False)
    return fig
