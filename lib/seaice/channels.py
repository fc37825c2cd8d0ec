"""Which channels may a network have? The channel table, and the place of each channel in the base array."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import xarray as xr

from seaice.schema import DataError

# The 50 channels of Andersson et al. 2021 (doi:10.1038/s41467-021-25257-4), in their order.
ICENET_2021 = (
    {"variable": "siconc", "lags": 12},
    {"variable": "siconc_trend", "leads": 6},
    *({"variable": v, "lags": 3} for v in ("tas", "ta500", "tos", "rsds", "rsus", "psl", "zg500", "zg250", "ua10")),
    {"variable": "uas", "lags": 1},
    {"variable": "vas", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
)
TREND_LEADS = 12  # months; the trend for a month uses the same month of the year before


class Channel(NamedTuple):
    """One input channel: its plane in the base array is `base`, plus what it follows: a time step, the month or nothing."""

    name: str
    variable: str
    base: int
    follows: str  # "time", "month" or "nothing"
    offset: int = 0  # cadence steps from init_time; negative is known from observation


def place(table: Sequence[Mapping], ready: xr.Dataset, *, n_steps: int) -> list[Channel]:
    """Check the channel table and give every channel its place among the base planes."""
    forms = ({"variable", "lags"}, {"variable", "leads"})
    variables = []
    for row in table:
        keys, name = set(row), row.get("variable")
        if name in ("land", "month"):
            if keys != {"variable"}:
                raise DataError(f"channel {dict(row)}: '{name}' takes no lags or leads")
            continue
        if keys not in forms:
            raise DataError(
                f"channel {dict(row)}: write variable and lags, variable and leads, or variable: land or month"
            )
        count = row.get("lags", row.get("leads"))
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise DataError(f"channel {dict(row)}: lags and leads are counts of at least 1")
        if name not in ready or set(ready[name].dims) != {"time", "y", "x"}:
            raise DataError(
                f"channel {dict(row)}: the ready store has no '{name}' (time, y, x); it holds {sorted(map(str, ready.data_vars))}"
            )
        if "leads" in row and name != "siconc_trend":
            raise DataError(
                f"channel {dict(row)}: only siconc_trend is known beforehand; '{name}' at a valid time is the future"
            )
        if row.get("leads", 0) > TREND_LEADS:
            raise DataError(f"channel {dict(row)}: a trend forecast is known {TREND_LEADS} months ahead, not more")
        if name not in variables:
            variables.append(name)
    fixed = len(variables) * n_steps
    channels = []
    for row in table:
        name = row["variable"]
        if name == "land":
            channels.append(Channel("land", name, fixed, "nothing"))
        elif name == "month":
            channels += [
                Channel("month_cos", name, fixed + 1, "month"),
                Channel("month_sin", name, fixed + 13, "month"),
            ]
        else:
            base = variables.index(name) * n_steps
            channels += [Channel(f"{name}_lag_{k}", name, base, "time", -k) for k in range(1, row.get("lags", 0) + 1)]
            channels += [
                Channel(f"{name}_lead_{k}", name, base, "time", k - 1) for k in range(1, row.get("leads", 0) + 1)
            ]
    names = [c.name for c in channels]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"channel '{name}' appears twice in the channel table")
    if not channels:
        raise DataError("the channel table is empty")
    return channels


def policies(missing: str | Mapping[str, str], variables: list[str]) -> dict[str, str]:
    """Return what to do about wholly missing steps of each variable: error, drop or climatology."""
    words = (
        dict.fromkeys(variables, missing) if isinstance(missing, str) else dict.fromkeys(variables, "error") | missing
    )
    for name, word in words.items():
        if name not in variables:
            raise DataError(f"missing: '{name}' is no variable of the channel table {variables}")
        if word not in ("error", "drop", "climatology"):
            raise DataError(f"missing: {word!r} for '{name}' is unknown; choose error, drop or climatology")
    return words | ({"siconc": "drop"} if "siconc" in words else {})
