"""Has something changed? Detectors that watch a monthly series, and raise an alarm.

Twelve values a year are too few for detectors that compare windows, so these add up departures. A
series is put in standard units by its first years, by calendar month, and nothing later.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.steps import at, last_step
from seaice.thresholds import ICE_EDGE

BURN_IN = 60  # months whose mean and spread, by calendar month, make a series one of standard units
DELTA, PH_THRESHOLD = 0.5, 10.0  # Page-Hinkley: tolerated drift, and sum at which it alarms
SLACK, CUSUM_THRESHOLD = 0.75, 8.0  # CUSUM: the same
LEAST_SPREAD = 1e-6


def page_hinkley(
    values: Sequence[float], *, delta: float = DELTA, threshold: float = PH_THRESHOLD
) -> list[int]:
    """Return the positions at which a two-sided Page-Hinkley test raises an alarm.

    The sums m += x - mean of the values so far -+ delta are followed; an alarm comes when one is
    more than `threshold` above its minimum (below its maximum). After it the test starts anew.
    NaN is passed over. Source: Page 1954, doi:10.1093/biomet/41.1-2.100; as in River's PageHinkley.
    """
    alarms, n, mean, up, down, least, most = [], 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for position, x in enumerate(values):
        if not np.isfinite(x):
            continue
        n += 1
        mean += (x - mean) / n
        up, down = up + x - mean - delta, down + x - mean + delta
        least, most = min(least, up), max(most, down)
        if up - least > threshold or most - down > threshold:
            alarms.append(position)
            n, mean, up, down, least, most = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    return alarms


def cusum(values: Sequence[float], *, slack: float = SLACK, threshold: float = CUSUM_THRESHOLD) -> list[int]:
    """Return the positions at which a two-sided CUSUM of values about 0 raises an alarm.

    The sums S = max(0, S + x - slack), and the same of -x, start anew after an alarm, which comes
    when one exceeds `threshold`. NaN is passed over. Source: Page 1954, see `page_hinkley`.
    """
    alarms, high, low = [], 0.0, 0.0
    for position, x in enumerate(values):
        if not np.isfinite(x):
            continue
        high, low = max(0.0, high + x - slack), max(0.0, low - x - slack)
        if max(high, low) > threshold:
            alarms.append(position)
            high = low = 0.0
    return alarms


DETECTORS: dict[str, Callable[[Sequence[float]], list[int]]] = {
    "page_hinkley": page_hinkley,
    "cusum": cusum,
}


def standard(series: pd.Series, *, burn_in: int = BURN_IN) -> pd.Series:
    """Return a monthly series in standard units of its first `burn_in` months.

    The mean is that of each calendar month, the spread that of all departures.
    """
    first = series.iloc[:burn_in]
    mean = first.groupby(first.index.month).mean()
    apart = series - mean.reindex(series.index.month).to_numpy()
    spread = float(apart.iloc[:burn_in].std(ddof=min(12, max(1, burn_in // 12))))
    return apart / max(spread, LEAST_SPREAD)


def inputs(ready: xr.Dataset, init_times: pd.DatetimeIndex) -> dict[str, pd.Series]:
    """Return by name what the last known month of each initialisation is like.

    `thin_ice`: share of the cells that count with SIC above 0 and up to 0.15. `coast`: mean SIC of
    the sea beside land. `mean_siconc`: of all cells that count.
    """
    last = last_step(init_times)
    siconc = at(ready.siconc, last).values
    active = ready.active.sel(month=last.dt.month).values
    land = ready.land.values
    beside = np.zeros_like(land)
    for axis in (0, 1):
        for step in (-1, 1):
            beside |= np.roll(land, step, axis)
    known = active & np.isfinite(siconc)
    coast = known & (beside & ~land)
    with np.errstate(invalid="ignore", divide="ignore"):
        fields = {
            "thin_ice": (known & (siconc > 0) & (siconc <= ICE_EDGE)).sum((1, 2)) / known.sum((1, 2)),
            "coast": np.where(coast, siconc, 0).sum((1, 2)) / coast.sum((1, 2)),
            "mean_siconc": np.where(known, siconc, 0).sum((1, 2)) / known.sum((1, 2)),
        }
    return {name: pd.Series(values, init_times) for name, values in fields.items()}


def forecasts(
    scores: xr.Dataset, model: str, *, reference: str = "damped_anomaly_persistence"
) -> dict[str, pd.Series]:
    """Return by name how the forecasts of a model fare, of lead 1, whose truth arrives first.

    `skill`: Brier score of the reference minus that of the model. `extent_error`: signed, million
    km2. scores: see `judged.Judged`.
    """
    of_lead = scores.sel(lead_time=1, drop=True)
    gain = of_lead["brier"].sel(model=reference) - of_lead["brier"].sel(model=model)
    series = {"skill": gain, "extent_error": of_lead["sie_error"].sel(model=model)}
    return {name: pd.Series(da.values, da.indexes["init_time"]) for name, da in series.items()}


def alarms(series: Mapping[str, pd.Series], *, burn_in: int = BURN_IN) -> pd.DataFrame:
    """Return the alarms of every detector on every series: columns series, detector, time.

    series: monthly, by name, see `inputs` and `forecasts`. The burn-in raises none.
    """
    rows = []
    for name, values in series.items():
        units = standard(values, burn_in=burn_in).iloc[burn_in:]
        for detector, detect in DETECTORS.items():
            rows += [{"series": name, "detector": detector, "time": units.index[k]} for k in detect(units)]
    return pd.DataFrame(rows, columns=["series", "detector", "time"])


def rates(
    unbroken: Mapping[str, pd.Series],
    broken: Mapping[str, pd.Series],
    when: pd.Timestamp,
    *,
    burn_in: int = BURN_IN,
) -> pd.DataFrame:
    """Return false alarms a decade without a break, and the delay after one.

    Columns series, detector, false_alarms (a decade), delay (months from `when` to the first alarm
    from then on; NaN for none). unbroken, broken: the same series without and with a break.
    """
    rows = []
    false = alarms(unbroken, burn_in=burn_in)
    after = alarms(broken, burn_in=burn_in)
    after = after[after["time"] >= when]
    for name, values in unbroken.items():
        decades = max(len(values) - burn_in, 1) / 120
        for detector in DETECTORS:
            count = ((false["series"] == name) & (false["detector"] == detector)).sum()
            times = after[(after["series"] == name) & (after["detector"] == detector)]["time"]
            delay = np.nan
            if len(times):
                delay = (times.min().year - when.year) * 12 + times.min().month - when.month
            rows.append(
                {"series": name, "detector": detector, "false_alarms": count / decades, "delay": delay}
            )
    return pd.DataFrame(rows)
