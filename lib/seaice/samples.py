"""Which array goes into the network for one `init_time`? Base variables held once, and a table that gathers from them."""

import hashlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.channels import ICENET_2021 as ICENET_2021
from seaice.channels import place, policies
from seaice.planes import NO_TRUTH, load_inputs, load_truth
from seaice.schema import DataError

FREQUENCY = {"monthly": "MS", "daily": "D"}  # pandas offset of one cadence step
SPLITS = ("train", "validation", "test")  # in the order of time
CELLS_AT_ONCE = 512  # cells transposed together: 50 channels of them fill 100 kB, which stays in the cache


class Samples:
    """Inputs, truth and weights of every `init_time` of an analysis-ready dataset, assembled when asked for.

    ready: dataset in the layout of the analysis-ready store, lazy or not. channels: list of `{"variable", "lags"}` (so many
    steps before init_time, newest first), `{"variable", "leads"}` (so many valid times, for what is known beforehand),
    `{"variable": "land"}` (+1 land, -1 sea), `{"variable": "position"}` (x and y from -1 to 1) and `{"variable": "month"}` (cos and sin of
    2 pi m / 12, m of the first forecast month). n_leads: forecast steps. dtype: of the base array, float32 or float16.
    forecasts: by name (`channels.FORECASTS`), (init_time, lead_time, y, x), of another model, for the channels that ask for them.
    missing: what to do where a predictor has no value in a whole time step: "error", "drop" the initialisation, or use
    "climatology"; one word for all, or a mapping of variable to word. Missing siconc always drops the initialisation.

    All inputs are planes (y, x) of one array: the time steps of each variable, then what belongs to no time step.
    A sample is a row of plane numbers, so nothing is stored for it. Lags and leads count cadence steps.
    Single missing cells become climatology. Raises DataError for channels, times or values that can't be used.
    """

    def __init__(
        self,
        ready: xr.Dataset,
        channels: Sequence[Mapping],
        *,
        n_leads: int = 6,
        dtype: str = "float32",
        missing: str | Mapping[str, str] = "error",
        forecasts: Mapping[str, xr.DataArray] | None = None,
    ):
        self.n_leads = n_leads
        self.time = _regular_time(ready)
        self.shape = (ready.sizes["y"], ready.sizes["x"])
        self.attrs = dict(ready.attrs)
        self.coords = {name: ready[name] for name in ("y", "x", "lat", "lon") if name in ready.coords}
        forecasts = _wanted(forecasts, channels, ready)
        self.channels = place(channels, ready, n_steps=len(self.time), forecasts=forecasts)
        self._forecast_rows = {name: f.indexes["init_time"].get_indexer(self.time) for name, f in forecasts.items()}
        self.variables = list(dict.fromkeys(c.variable for c in self.channels if c.follows == "time"))
        self.variable_attrs = {v: {k: str(a) for k, a in ready[v].attrs.items()} for v in self.variables}
        self.missing = policies(missing, self.variables)
        self.land = ready["land"].values.astype(bool)
        self.active = ready["active"].transpose("month", "y", "x").values.astype(bool)
        self._cell_weights = _cell_weights(self.active)
        self._calendar = pd.date_range(self.time[0], periods=len(self.time) + n_leads, freq=self.time.freq)
        self._planes, self._absent, self._filled = load_inputs(
            ready, self.variables, self.land, np.dtype(dtype), forecasts
        )
        self._truth = load_truth(ready, n_leads)
        self._reasons, self._is_error = self._judge()

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, in order."""
        return [c.name for c in self.channels]

    @property
    def init_times(self) -> pd.DatetimeIndex:
        """Initialisations whose inputs are all there."""
        return self.time[self._reasons == ""]

    @property
    def dropped(self) -> pd.Series:
        """Reason for each initialisation that has no sample, by init_time."""
        lacking = self._reasons != ""
        return pd.Series(self._reasons[lacking], index=self.time[lacking], name="reason")

    @property
    def nbytes(self) -> int:
        """Bytes held for inputs and truth."""
        return self._planes.nbytes + self._truth.nbytes

    def report(self) -> pd.DataFrame:
        """What was missing and what became of it: a row a variable with counts of steps, cells and initialisations."""
        reasons = self.dropped
        return pd.DataFrame(
            {
                "policy": [self.missing[v] for v in self.variables],
                "missing_steps": self._absent.sum(axis=1),
                "filled_sea_cells_percent": self._filled,
                "dropped_init_times": [int(reasons.str.startswith(f"{v} ").sum()) for v in self.variables],
            },
            index=pd.Index(self.variables, name="variable"),
        )

    def metadata(self) -> dict:
        """All that a network's inputs must agree with, and the attributes of its variables; plain types for JSON."""
        kept = ("hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
        return {
            "channel_names": self.channel_names,
            "n_leads": self.n_leads,
            "shape": list(self.shape),
            **{name: self.attrs[name] for name in kept if name in self.attrs},
            "variables": self.variable_attrs,
        }

    def inputs(self, init_times) -> np.ndarray:
        """Inputs (init_time, y, x, channel), float32. Raises DataError for an init_time that has no sample."""
        numbers = self.plane_numbers(init_times)
        planes = self._planes.reshape(len(self._planes), -1)
        out = np.empty((len(numbers), planes.shape[1], numbers.shape[1]), "float32")
        for sample, rows in zip(out, numbers, strict=True):
            # Block by block: reads run along the planes, and the transposition stays in the cache.
            for first in range(0, planes.shape[1], CELLS_AT_ONCE):
                block = slice(first, first + CELLS_AT_ONCE)
                sample[block] = planes[:, block][rows].T
        return out.reshape(len(numbers), *self.shape, -1)

    def plane_numbers(self, init_times) -> np.ndarray:
        """Base plane of each channel (init_time, channel), int. Raises DataError for an init_time that has no sample."""
        at = self._positions(init_times)
        for i in at[self._reasons[at] != ""][:1]:
            raise DataError(f"init_time {_date(self.time[i])} has no sample: {self._reasons[i]}; see `Samples.dropped`")
        months = self.time.month.to_numpy()[at] - 1
        moves = {
            "time": lambda c: at + c.offset,
            "month": lambda c: months,
            "valid_month": lambda c: (months + c.offset) % 12,
            "forecast": lambda c: self._forecast_rows[c.variable][at],
            "nothing": lambda c: 0 * at,
        }
        return np.stack([c.base + moves[c.follows](c) for c in self.channels], axis=1)

    def targets(self, init_times) -> np.ndarray:
        """Ice class (init_time, y, x, lead), uint8: 0 open water, 1 marginal, 2 full; 0 where there is no truth."""
        truth = self._truth[self._valid(init_times)]
        return np.moveaxis(np.where(truth == NO_TRUTH, np.uint8(0), truth), 1, -1)

    def weights(self, init_times) -> np.ndarray:
        """Weight (init_time, y, x, lead), float32: active cells times their month's weight, 0 where there is no truth."""
        valid = self._valid(init_times)
        weights = self._cell_weights[self._calendar.month.to_numpy()[valid] - 1]
        return np.moveaxis(np.where(self._truth[valid] == NO_TRUTH, np.float32(0), weights), 1, -1)

    def valid_times(self, init_times) -> np.ndarray:
        """Valid times (init_time, lead), datetime64."""
        return self._calendar.to_numpy()[self._valid(init_times)]

    def has_truth(self, init_times) -> np.ndarray:
        """Whether any target of each init_time exists, bool (init_time)."""
        observed = np.array([(plane != NO_TRUTH).any() for plane in self._truth])
        return observed[self._valid(init_times)].any(axis=1)

    def digest(self, init_times) -> str:
        """SHA-256 over all that the inputs, targets and weights of these init_times are made of."""
        numbers, valid = self.plane_numbers(init_times), self._valid(init_times)
        content = hashlib.sha256(repr(self.metadata()).encode())
        for array in (numbers, valid, self.active, *self._planes[np.unique(numbers)], *self._truth[np.unique(valid)]):
            content.update(np.ascontiguousarray(array))
        return content.hexdigest()

    def _positions(self, init_times) -> np.ndarray:
        times = pd.DatetimeIndex(np.atleast_1d(init_times))
        at = self.time.get_indexer(times)
        for time in times[at < 0][:1]:
            raise DataError(
                f"init_time {_date(time)} is not in the record {_date(self.time[0])} to {_date(self.time[-1])}; "
                "an init_time is the first day of the first forecast step"
            )
        return at

    def _valid(self, init_times) -> np.ndarray:
        return self._positions(init_times)[:, None] + np.arange(self.n_leads)

    def _judge(self) -> tuple[np.ndarray, np.ndarray]:
        """Find the reason why each time can't be an initialisation ("" if it can), and whether that is an error."""
        reasons, is_error = np.full(len(self.time), "", object), np.zeros(len(self.time), bool)
        # What drops goes first: an initialisation that is dropped anyway needs no further decision.
        order = sorted(
            (c for c in self.channels if c.follows == "time"), key=lambda c: self.missing[c.variable] == "error"
        )
        for channel in order:
            steps = np.arange(len(self.time)) + channel.offset
            outside = (steps < 0) | (steps >= len(self.time))
            absent = self._absent[self.variables.index(channel.variable)][np.clip(steps, 0, len(self.time) - 1)]
            absent &= self.missing[channel.variable] != "climatology"
            for i in np.flatnonzero((outside | absent) & (reasons == "")):
                when = self.time[i] + channel.offset * self.time.freq
                reasons[i] = (
                    f"{channel.variable} of {_date(when)} is {'outside the record' if outside[i] else 'missing'}"
                )
                is_error[i] = not outside[i] and self.missing[channel.variable] == "error"
        for name, rows in self._forecast_rows.items():
            reasons[(rows < 0) & (reasons == "")] = f"{name} has no forecast"
        return reasons, is_error


def _wanted(forecasts, channels: Sequence[Mapping], ready: xr.Dataset) -> dict[str, xr.DataArray]:
    """Those of the forecasts that a channel asks for. Raises DataError for one on another grid."""
    names = [row.get("variable") for row in channels]
    wanted = {name: forecast for name, forecast in (forecasts or {}).items() if name in names}
    for name, forecast in wanted.items():
        for axis in ("y", "x"):
            if not np.array_equal(forecast[axis], ready[axis]):
                raise DataError(f"forecasts of '{name}': their {axis} is not that of the ready store; make them anew")
    return wanted


def split(samples: Samples, splits: Mapping[str, Sequence[str]]) -> dict[str, pd.DatetimeIndex]:
    """Return the init_times of each split that have a sample (and, but for the test split, any truth).

    splits: name to `[first, last]` init_time, "YYYY-MM" or "YYYY-MM-DD"; train, validation and test in the order of time.
    Raises DataError for malformed, empty, unordered or overlapping splits, for one outside the record, one whose targets
    reach into the next, and one that needs a predictor for which `missing` is "error".
    """
    ranges = {name: _range(name, ends, samples) for name, ends in splits.items()}
    names = [name for name in SPLITS if name in ranges]
    for name, later in zip(names, names[1:], strict=False):
        last, first = ranges[name][1], ranges[later][0]
        if last >= first:
            raise DataError(
                f"splits '{name}' (to {_date(last)}) and '{later}' (from {_date(first)}) overlap or are out of order"
            )
        target = last + (samples.n_leads - 1) * samples.time.freq
        if target >= first:
            raise DataError(
                f"split '{name}' ends at init_time {_date(last)}, whose last target {_date(target)} lies in '{later}', "
                f"which starts at {_date(first)}; end '{name}' earlier"
            )
    out = {}
    for name in names:
        inside = (samples.time >= ranges[name][0]) & (samples.time <= ranges[name][1])
        for i in np.flatnonzero(inside & samples._is_error)[:1]:
            raise DataError(
                f"split '{name}': init_time {_date(samples.time[i])} can't be used, {samples._reasons[i]}; shorten the split, "
                "or set `missing` to 'drop' or 'climatology' for that variable"
            )
        times = samples.time[inside & (samples._reasons == "")]
        if name != "test":
            times = times[samples.has_truth(times)]
        if not len(times):
            raise DataError(
                f"split '{name}' ({' to '.join(splits[name])}) is empty: no initialisation has all its inputs and a target"
            )
        out[name] = times
    return out


def _range(name: str, ends: Sequence[str], samples: Samples) -> tuple[pd.Timestamp, pd.Timestamp]:
    if name not in SPLITS:
        raise DataError(f"split '{name}' is unknown; the splits are {', '.join(SPLITS)}")
    well_formed = not isinstance(ends, str) and len(ends) == 2
    if not (well_formed and all(re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", str(end)) for end in ends)):
        raise DataError(f"split '{name}' is {ends!r}; write [first, last] init_time, such as ['1980-01', '2009-06']")
    try:
        first, last = (pd.Timestamp(str(end)) for end in ends)
    except ValueError as error:
        raise DataError(f"split '{name}': {error}") from error
    if first > last:
        raise DataError(f"split '{name}' starts at {_date(first)}, after its end {_date(last)}")
    if first < samples.time[0] or last > samples.time[-1]:
        raise DataError(
            f"split '{name}' ({_date(first)} to {_date(last)}) leaves the record {_date(samples.time[0])} to {_date(samples.time[-1])}"
        )
    return first, last


def _date(time) -> str:
    return f"{time:%Y-%m-%d}"


def _regular_time(ready: xr.Dataset) -> pd.DatetimeIndex:
    cadence = ready.attrs.get("cadence", "monthly")
    if cadence not in FREQUENCY:
        raise DataError(f"ready store: cadence {cadence!r} is unknown; choose one of {sorted(FREQUENCY)}")
    time = pd.DatetimeIndex(ready.indexes["time"])
    regular = pd.date_range(time[0], time[-1], freq=FREQUENCY[cadence])
    if not time.equals(regular):
        wrong = regular.symmetric_difference(time)
        where = _date(wrong[0]) if len(wrong) else "a repeated or unordered date"
        raise DataError(
            f"ready store: time is not every {cadence} step from {_date(time[0])} to {_date(time[-1])}: see {where}"
        )
    return regular


def _cell_weights(active: np.ndarray) -> np.ndarray:
    """Active cells (month, y, x) times (active cells of the month that has most) / (active cells of the month), float32."""
    counts = active.sum(axis=(1, 2))
    if not counts.all():
        raise DataError(
            f"ready store: month {int(np.argmin(counts)) + 1} has no active cell, so that nothing counts in it"
        )
    return (active * (counts.max() / counts)[:, None, None]).astype("float32")
