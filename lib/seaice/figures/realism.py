"""How near is the simulated world to the observed one, as a chart?"""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from seaice.figures.style import STYLE, bare


def panels(table: pd.DataFrame) -> Figure:
    """Draw a simulated record beside the observed one.

    Panels: extent by month, the memory of the ice (autocorrelation of its anomalies) by lag, and
    the accuracy of two simple forecasts by lead. The grey bands are the limits within which the
    simulated values should lie. table: see `twin.realism.table`.
    """
    panels = {
        "extent": ("month", "million km²", "extent"),
        "siconc_memory": ("lag (months)", "autocorrelation", "memory of ice"),
        "anomaly_persistence": ("lead (months)", "binary accuracy (%)", "anomaly persistence"),
        "linear_trend": ("lead (months)", "binary accuracy (%)", "linear trend"),
    }
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(1, 4, figsize=(12, 3.4), width_ratios=(1.6, 1, 1, 1), layout="constrained")
        for ax, (quantity, (across, up, title)) in zip(axes, panels.items(), strict=True):
            of_quantity = table[table.quantity == quantity]
            tolerance = of_quantity.limit.str.removeprefix("+- ").astype(float)
            ax.fill_between(
                of_quantity["index"],
                of_quantity.observed - tolerance,
                of_quantity.observed + tolerance,
                color="#dddddd",
                label="limits",
            )
            ax.plot(of_quantity["index"], of_quantity.observed, color="#0072B2", marker="o", label="observed")
            ax.plot(
                of_quantity["index"],
                of_quantity.twin,
                color="#D55E00",
                marker="s",
                ls="--",
                label="simulated",
            )
            ax.set(title=title, xlabel=across, ylabel=up, xticks=of_quantity["index"])
            bare(ax)
        axes[0].legend()
    return fig
