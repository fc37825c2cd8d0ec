"""Which channels may a network have?

This module checks the channel table and finds the place of each channel in the base array.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import xarray as xr

from seaice.errors import DataError
from seaice.schema import WITH_LEADS
from seaice.steps import AHEAD, NAME, cadence

# The 50 channels of Andersson et al. 2021 (doi:10.1038/s41467-021-25257-4), in their order.
ICENET_2021 = (
    {"variable": "siconc", "lags": 12},
    {"variable": "siconc_trend", "leads": 6},
    *(
        {"variable": v, "lags": 3}
        for v in ("tas", "ta500", "tos", "rsds", "rsus", "psl", "zg500", "zg250", "ua10")
    ),
    {"variable": "uas", "lags": 1},
    {"variable": "vas", "lags": 1},
    {"variable": "land"},
    {"variable": "month"},
)
# Forecasts (init_time, lead_time, y, x) of other models that may be inputs of a network.
FORECASTS = ("trees",)
# Policies for missing steps of these variables, whatever the setting `missing` says.
ALWAYS = {"siconc": "drop", "siconc_anomaly": "climatology"}
FIXED = {"land": 1, "position": 2, "month": 24}  # number of planes that belong to no time step
SEASONS = 366  # days of the year; `season` has one value for each of them, and no plane


class Channel(NamedTuple):
    """One input channel. Its plane is `base` plus a number that `follows` determines."""

    name: str
    variable: str
    base: int
    follows: str  # "time", "month", "valid_month", "season", "forecast" or "nothing"
    offset: int = 0  # cadence steps from init_time; negative: observed before it


def place(
    table: Sequence[Mapping], ready: xr.Dataset, *, n_steps: int, forecasts: Mapping[str, xr.DataArray]
) -> list[Channel]:
    """Check the channel table and return its channels, each with its place among the base planes.

    table: rows as for `assembly.Samples`. n_steps: time steps of the record. forecasts: by name,
    those that channels ask for. The numbers of `season` come after the last plane.
    Raises DataError, naming the row, for a table that can't be used.
    """
    _check(table, ready, forecasts)
    along_time = list(dict.fromkeys(row["variable"] for row in table if _follows_time(row["variable"])))
    first_plane = _first_planes(along_time, ready, n_steps=n_steps, forecasts=forecasts)
    channels = [
        channel
        for row in table
        for channel in _channels(row, first_plane[row["variable"]], ready, forecasts=forecasts)
    ]
    names = [channel.name for channel in channels]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"channel '{name}' appears twice in the channel table")
    if not channels:
        raise DataError("the channel table is empty")
    return channels


def _follows_time(variable: str) -> bool:
    """Return whether a variable has a plane for each time step of the record."""
    return variable not in (*FIXED, "season", "siconc_damping", *FORECASTS)


def _check(table: Sequence[Mapping], ready: xr.Dataset, forecasts: Mapping[str, xr.DataArray]) -> None:
    """Raise DataError for a row that can't be used.

    It is malformed, or neither the ready store nor the forecasts hold what it asks for.
    """
    for row in table:
        name = row.get("variable")
        if name in FIXED or name == "season":
            if set(row) != {"variable"}:
                raise DataError(f"channel {dict(row)}: '{name}' takes no lags or leads")
            continue
        if set(row) not in ({"variable", "lags"}, {"variable", "leads"}):
            raise DataError(
                f"channel {dict(row)}: write variable and lags, variable and leads, "
                "or variable: land, position, month or season"
            )
        count = row.get("lags", row.get("leads"))
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise DataError(f"channel {dict(row)}: lags and leads are counts of at least 1")
        if name in FORECASTS:
            _check_forecast(row, forecasts.get(name))
        else:
            _check_stored(row, ready)


def _check_stored(row: Mapping, ready: xr.Dataset) -> None:
    """Raise DataError for a row whose variable can't be used.

    The ready store lacks it, or it is not known so far ahead.
    """
    name, ahead = row["variable"], AHEAD[cadence(ready)]
    dims = ("time", "y", "x")
    if name == "siconc_damping":
        dims = ("month", "lead_time", "y", "x") if cadence(ready) == "monthly" else ("lead_time", "y", "x")
    if name not in ready or set(ready[name].dims) != set(dims):
        raise DataError(
            f"channel {dict(row)}: the ready store has no '{name}' ({', '.join(dims)}); "
            f"it holds {sorted(map(str, ready.data_vars))}"
        )
    if ("leads" in row) != (name in WITH_LEADS):
        raise DataError(
            f"channel {dict(row)}: {', '.join(WITH_LEADS)} are known beforehand and take leads; "
            f"'{name}' takes {'lags: its valid time is the future' if 'leads' in row else 'leads'}"
        )
    if row.get("leads", 0) > ahead:
        raise DataError(
            f"channel {dict(row)}: '{name}' is known {ahead} {NAME[cadence(ready)]}s ahead, not more"
        )


def _first_planes(
    along_time: Sequence[str], ready: xr.Dataset, *, n_steps: int, forecasts: Mapping[str, xr.DataArray]
) -> dict[str, int]:
    """Return the first base plane of every variable.

    `planes.load_inputs` stores the planes in the same order.
    """
    months = 12 if _damping_has_months(ready) else 1
    damping = months * ready.sizes["lead_time"] if "siconc_damping" in ready else 0
    counts = dict.fromkeys(along_time, n_steps) | FIXED | {"siconc_damping": damping}
    counts |= {
        name: forecast.lead_time.size * forecast.init_time.size for name, forecast in forecasts.items()
    }
    first_plane, number = {}, 0
    for name, count in counts.items():
        first_plane[name], number = number, number + count
    return first_plane | {"season": number}


def _damping_has_months(ready: xr.Dataset) -> bool:
    """Return whether the damping depends on the calendar month."""
    return "month" in ready.get("siconc_damping", xr.DataArray()).dims


def _channels(
    row: Mapping, base: int, ready: xr.Dataset, *, forecasts: Mapping[str, xr.DataArray]
) -> list[Channel]:
    """Return the channels that one row of the table stands for.

    base: first plane of the row's variable.
    """
    name, leads = row["variable"], range(1, row.get("leads", 0) + 1)
    if name == "land":
        return [Channel("land", name, base, "nothing")]
    if name == "position":
        return [Channel(f"position_{axis}", name, base + k, "nothing") for k, axis in enumerate("xy")]
    if name in ("month", "season"):
        n_values = {"month": 12, "season": SEASONS}[name]
        return [Channel(f"{name}_cos", name, base, name), Channel(f"{name}_sin", name, base + n_values, name)]
    if name == "siconc_damping":
        stride, follows = (12, "valid_month") if _damping_has_months(ready) else (1, "nothing")
        return [Channel(f"{name}_lead_{k}", name, base + stride * (k - 1), follows, k - 1) for k in leads]
    if name in FORECASTS:
        stride = forecasts[name].init_time.size
        return [Channel(f"{name}_lead_{k}", name, base + stride * (k - 1), "forecast") for k in leads]
    lags = [Channel(f"{name}_lag_{k}", name, base, "time", -k) for k in range(1, row.get("lags", 0) + 1)]
    return lags + [Channel(f"{name}_lead_{k}", name, base, "time", k - 1) for k in leads]


def _check_forecast(row: Mapping, forecast: xr.DataArray | None) -> None:
    """Raise DataError for a row about a model without forecasts, or about leads that it lacks."""
    name = row["variable"]
    if forecast is None:
        raise DataError(
            f"channel {dict(row)}: no forecasts of '{name}' are given; run the baselines first. "
            "Simulations have no such forecasts: leave this channel out to pre-train networks on them"
        )
    n_leads, available = row.get("leads", 0), forecast.lead_time.values.tolist()
    if n_leads < 1 or available[:n_leads] != list(range(1, n_leads + 1)):
        raise DataError(f"channel {dict(row)}: '{name}' takes leads, of which there are {available}")


def policies(missing: str | Mapping[str, str], variables: list[str]) -> dict[str, str]:
    """Return what to do about missing steps of each variable: "error", "drop" or "climatology".

    missing: one word for all variables, or a mapping of variable to word, where "error" is the
    default. Raises DataError for an unknown word or variable.
    """
    words = (
        dict.fromkeys(variables, missing)
        if isinstance(missing, str)
        else dict.fromkeys(variables, "error") | missing
    )
    for name, word in words.items():
        if name not in variables:
            raise DataError(f"missing: '{name}' is no variable of the channel table {variables}")
        if word not in ("error", "drop", "climatology"):
            raise DataError(f"missing: {word!r} for '{name}' is unknown; choose error, drop or climatology")
    # Without the ice concentration there is no forecast. A missing earlier anomaly counts as 0.
    return words | {name: word for name, word in ALWAYS.items() if name in words}
