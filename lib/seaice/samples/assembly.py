"""Which array goes into the network for one `init_time`? Base variables held once, and a table that gathers from them."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.samples.channels import SEASONS, place, policies
from seaice.samples.planes import NO_TRUTH, load_inputs, load_truth
from seaice.steps import FREQUENCY, cadence, season

TARGETS = ("ice_class", "siconc")
# Cells transposed together: 50 channels of them fill 200 kB, which stays in the cache. No multiple of 256, so that the same cell of
# all channels does not fall on the same few places of the cache.
CELLS_AT_ONCE = 1040


class Samples:
    """Inputs, truth and weights of every `init_time` of an analysis-ready dataset, assembled when asked for.

    ready: dataset in the layout of the analysis-ready store, lazy or not. channels: list of `{"variable", "lags"}` (so many
    steps before init_time, newest first), `{"variable", "leads"}` (so many valid times, for what is known beforehand),
    `{"variable": "land"}` (+1 land, -1 sea), `{"variable": "position"}` (x and y from -1 to 1), `{"variable": "month"}` (cos and sin of
    2 pi m / 12, m of the first forecast month) and `{"variable": "season"}` (cos and sin of `steps.season` at init_time, by days).
    n_leads: forecast steps. target: what `targets` gives, "ice_class" or "siconc". dtype: of the base array, float32 or float16.
    forecasts: by name (`channels.FORECASTS`), (init_time, lead_time, y, x), of another model, for the channels that ask for them.
    missing: what to do where a predictor has no value in a whole time step: "error", "drop" the initialisation, or use
    "climatology"; one word for all, or a mapping of variable to word. Missing siconc always drops the initialisation.

    All inputs are planes (y, x) of one array: the time steps of each variable, then what belongs to no time step.
    A sample is a row of plane numbers, so nothing is stored for it. Lags and leads count cadence steps.
    Single missing cells become climatology. `reasons` says why a time can't be an initialisation ("" if it can), `undecided` whether
    that is for want of a policy. Raises DataError for channels, times or values that can't be used.
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
        target: str = "ice_class",
    ):
        self.n_leads, self.target = n_leads, target
        self.time = _regular_time(ready)
        self.shape = (ready.sizes["y"], ready.sizes["x"])
        self.attrs = dict(ready.attrs)
        self.coords = {name: ready[name] for name in ("y", "x", "lat", "lon") if name in ready.coords}
        forecasts = _wanted(forecasts, channels, ready)
        self.channels = place(channels, ready, n_steps=len(self.time), forecasts=forecasts)
        self._forecast_rows = {
            name: f.indexes["init_time"].get_indexer(self.time) for name, f in forecasts.items()
        }
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
        days = pd.date_range("2000-01-01", periods=SEASONS)
        angle = season(days, "daily")
        # What has one value all over the map needs no plane: its number is past the last.
        self._values = np.concatenate([np.cos(angle), np.sin(angle)]).astype("float32")
        self._truth = load_truth(ready, n_leads)
        self._check_target()
        self.reasons, self.undecided = self._judge()

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, in order."""
        return [c.name for c in self.channels]

    @property
    def init_times(self) -> pd.DatetimeIndex:
        """Initialisations whose inputs are all there."""
        return self.time[self.reasons == ""]

    @property
    def dropped(self) -> pd.Series:
        """Reason for each initialisation that has no sample, by init_time."""
        lacking = self.reasons != ""
        return pd.Series(self.reasons[lacking], index=self.time[lacking], name="reason")

    @property
    def planes(self) -> np.ndarray:
        """Base planes (plane, y, x) that plane numbers point at; not to be written to."""
        return self._planes

    @property
    def values(self) -> np.ndarray:
        """What has one value all over the map (number), float32; its plane numbers follow those of the planes."""
        return self._values

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
        flat = np.array([c.follows == "season" for c in self.channels])
        mapped = ~flat if flat.any() else slice(None)
        for sample, rows in zip(out, numbers, strict=True):
            sample[:, flat] = self._values[rows[flat] - len(planes)]
            rows = rows[mapped]
            # Block by block: reads run along the planes, and the transposition stays in the cache.
            for first in range(0, planes.shape[1], CELLS_AT_ONCE):
                block = slice(first, first + CELLS_AT_ONCE)
                sample[block, mapped] = planes[:, block][rows].T
        return out.reshape(len(numbers), *self.shape, -1)

    def plane_numbers(self, init_times) -> np.ndarray:
        """Base plane of each channel (init_time, channel), int; from the number of planes on, what has one value all over.

        Raises DataError for an init_time that has no sample.
        """
        at = self._positions(init_times)
        dropped = at[self.reasons[at] != ""]
        if len(dropped):
            time, reason = self.time[dropped[0]], self.reasons[dropped[0]]
            raise DataError(f"init_time {_date(time)} has no sample: {reason}; see `Samples.dropped`")
        months, days = self.time.month.to_numpy()[at] - 1, self.time.day_of_year.to_numpy()[at] - 1
        moves = {
            "time": lambda c: at + c.offset,
            "month": lambda c: months,
            "valid_month": lambda c: (months + c.offset) % 12,
            "season": lambda c: days,
            "forecast": lambda c: self._forecast_rows[c.variable][at],
            "nothing": lambda c: 0 * at,
        }
        return np.stack([c.base + moves[c.follows](c) for c in self.channels], axis=1)

    def targets(self, init_times) -> np.ndarray:
        """What is to be forecast (init_time, y, x, lead), 0 where there is no truth.

        "ice_class": uint8, 0 open water, 1 marginal, 2 full. "siconc": SIC, float32, 0..1.
        """
        valid = self._valid(init_times)
        truth = self._truth[valid]
        if self.target == "siconc":
            first = self.variables.index("siconc") * len(self.time)
            found = self._planes[first + np.minimum(valid, len(self.time) - 1)]
        else:
            found = truth
        return np.moveaxis(np.where(truth == NO_TRUTH, found.dtype.type(0), found), 1, -1)

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
        used = np.unique(numbers[numbers < len(self._planes)])
        truth = self._truth[np.unique(valid)] if self.target == "ice_class" else self.targets(init_times)
        for array in (numbers, valid, self.active, *self._planes[used], *truth):
            content.update(np.ascontiguousarray(array))
        return content.hexdigest()

    def _check_target(self) -> None:
        """Concentrations are the base planes of `siconc`, read once for inputs and truth."""
        if self.target not in TARGETS:
            raise DataError(f"target {self.target!r} is unknown; choose one of {', '.join(TARGETS)}")
        if self.target == "siconc" and ("siconc" not in self.variables or self._planes.dtype != np.float32):
            raise DataError(
                "target 'siconc' needs a channel of siconc, in float32: its time steps are the truth as well"
            )

    def _positions(self, init_times) -> np.ndarray:
        times = pd.DatetimeIndex(np.atleast_1d(init_times))
        at = self.time.get_indexer(times)
        outside = times[at < 0]
        if len(outside):
            raise DataError(
                f"init_time {_date(outside[0])} is not in the record {_date(self.time[0])} to {_date(self.time[-1])}; "
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
            (c for c in self.channels if c.follows == "time"),
            key=lambda c: self.missing[c.variable] == "error",
        )
        for channel in order:
            steps = np.arange(len(self.time)) + channel.offset
            outside = (steps < 0) | (steps >= len(self.time))
            absent = self._absent[self.variables.index(channel.variable)][
                np.clip(steps, 0, len(self.time) - 1)
            ]
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
                raise DataError(
                    f"forecasts of '{name}': their {axis} is not that of the ready store; make them anew"
                )
    return wanted


def _date(time) -> str:
    return f"{time:%Y-%m-%d}"


def _regular_time(ready: xr.Dataset) -> pd.DatetimeIndex:
    time = pd.DatetimeIndex(ready.indexes["time"])
    regular = pd.date_range(time[0], time[-1], freq=FREQUENCY[cadence(ready)])
    if not time.equals(regular):
        wrong = regular.symmetric_difference(time)
        where = _date(wrong[0]) if len(wrong) else "a repeated or unordered date"
        raise DataError(
            f"ready store: time is not every {cadence(ready)} step from {_date(time[0])} to {_date(time[-1])}: see {where}"
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
