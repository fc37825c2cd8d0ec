"""Which array goes into the network for one `init_time`?

Base variables are held in memory once. A table of channels says which of them make up an input.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.samples.channels import SEASONS, place, policies
from seaice.samples.initialisations import find_unusable, regular_time
from seaice.samples.planes import NO_TRUTH, cell_weights, load_inputs, load_truth
from seaice.steps import season

TARGETS = ("ice_class", "siconc")
# Cells that are transposed together. 50 channels of them take 200 kB, which fits the cache. It is
# no multiple of 256: otherwise the same cell of all channels would compete for few places in it.
CELLS_AT_ONCE = 1040


class Samples:
    """Inputs, truth and weights of every `init_time` of an analysis-ready dataset.

    A sample is assembled when it is asked for. All inputs are planes (y, x) of one array: first the
    time steps of each variable, then the planes that belong to no time step. A sample is a row of
    plane numbers, so nothing else is stored for it.

    ready: dataset in the layout of the analysis-ready store, lazy or not.
    channels: list of rows, each of one of these forms; lags and leads count cadence steps.
        {"variable", "lags"}: this many steps before init_time, the newest first.
        {"variable", "leads"}: this many valid times, for variables that are known beforehand.
        {"variable": "land"}: +1 on land, -1 at sea.
        {"variable": "position"}: x and y, from -1 to 1.
        {"variable": "month"}: cos and sin of 2 pi m / 12, where m is the first forecast month.
        {"variable": "season"}: cos and sin of `steps.season` at init_time, which changes daily.
    n_leads: number of forecast steps. target: what `targets` returns, "ice_class" or "siconc".
    dtype: of the base array, float32 or float16.
    forecasts: forecasts (init_time, lead_time, y, x) of other models by name
        (`channels.FORECASTS`). Only those that a channel asks for are used.
    missing: what to do where a predictor has no value in a whole time step. "error" refuses it,
        "drop" drops the initialisation, "climatology" uses the climatology. It is one word for all
        variables, or a mapping of variable to word. Missing siconc always drops the initialisation.

    Single missing cells get the climatology. `reasons` says why a time can't be an initialisation
    ("" if it can). `undecided` says whether that is because its policy is "error".
    Raises DataError for channels, times or values that can't be used.
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
        self.time = regular_time(ready)
        self.shape = (ready.sizes["y"], ready.sizes["x"])
        self.attrs = dict(ready.attrs)
        self.coords = {name: ready[name] for name in ("y", "x", "lat", "lon") if name in ready.coords}
        forecasts = _requested(forecasts, channels, ready)
        self.channels = place(channels, ready, n_steps=len(self.time), forecasts=forecasts)
        self._forecast_rows = {
            name: f.indexes["init_time"].get_indexer(self.time) for name, f in forecasts.items()
        }
        self.variables = list(dict.fromkeys(c.variable for c in self.channels if c.follows == "time"))
        self.variable_attrs = {v: {k: str(a) for k, a in ready[v].attrs.items()} for v in self.variables}
        self.missing = policies(missing, self.variables)
        self.land = ready["land"].values.astype(bool)
        self.active = ready["active"].transpose("month", "y", "x").values.astype(bool)
        self._cell_weights = cell_weights(self.active)
        self._calendar = pd.date_range(self.time[0], periods=len(self.time) + n_leads, freq=self.time.freq)
        self._planes, absent, self._filled = load_inputs(
            ready, self.variables, self.land, np.dtype(dtype), forecasts
        )
        self.absent = dict(zip(self.variables, absent, strict=True))  # no map at all: bool (time,)
        days = pd.date_range("2000-01-01", periods=SEASONS)
        angle = season(days, "daily")
        # A channel with one value all over the map needs no plane: its number follows theirs.
        self._values = np.concatenate([np.cos(angle), np.sin(angle)]).astype("float32")
        self._truth = load_truth(ready, n_leads)
        self._check_target()
        self.reasons, self.undecided = find_unusable(
            self.time,
            self.channels,
            self.absent,
            self.missing,
            forecast_rows=self._forecast_rows,
        )

    @property
    def channel_names(self) -> list[str]:
        """Names of the channels, in order."""
        return [c.name for c in self.channels]

    @property
    def init_times(self) -> pd.DatetimeIndex:
        """Initialisations that have all their inputs."""
        return self.time[self.reasons == ""]

    @property
    def dropped(self) -> pd.Series:
        """Reason for each initialisation that has no sample, by init_time."""
        lacking = self.reasons != ""
        return pd.Series(self.reasons[lacking], index=self.time[lacking], name="reason")

    @property
    def planes(self) -> np.ndarray:
        """Base planes (plane, y, x) that plane numbers point at. Do not write to them."""
        return self._planes

    @property
    def values(self) -> np.ndarray:
        """Values (number,), float32, that are the same all over the map.

        Their plane numbers follow those of the planes.
        """
        return self._values

    @property
    def nbytes(self) -> int:
        """Number of bytes that inputs and truth take."""
        return self._planes.nbytes + self._truth.nbytes

    def report(self) -> pd.DataFrame:
        """Return what was missing and how it was treated.

        Each variable has a row, with its policy, the missing steps, the percentage of sea cells
        that were filled, and the number of initialisations that were dropped.
        """
        reasons = self.dropped
        return pd.DataFrame(
            {
                "policy": [self.missing[v] for v in self.variables],
                "missing_steps": [int(absent.sum()) for absent in self.absent.values()],
                "filled_sea_cells_percent": self._filled,
                "dropped_init_times": [int(reasons.str.startswith(f"{v} ").sum()) for v in self.variables],
            },
            index=pd.Index(self.variables, name="variable"),
        )

    def metadata(self) -> dict:
        """Return what a network's inputs must agree with, and the attributes of the variables.

        All values are of plain types, so that they can be written as JSON.
        """
        attributes = ("hemisphere", "resolution_km", "cadence", "fit_start", "fit_end")
        return {
            "channel_names": self.channel_names,
            "n_leads": self.n_leads,
            "shape": list(self.shape),
            **{name: self.attrs[name] for name in attributes if name in self.attrs},
            "variables": self.variable_attrs,
        }

    def inputs(self, init_times) -> np.ndarray:
        """Return the inputs (init_time, y, x, channel), float32.

        Raises DataError for an init_time that has no sample.
        """
        numbers = self.plane_numbers(init_times)
        planes = self._planes.reshape(len(self._planes), -1)
        inputs = np.empty((len(numbers), planes.shape[1], numbers.shape[1]), "float32")
        flat = np.array([c.follows == "season" for c in self.channels])
        mapped = ~flat if flat.any() else slice(None)
        for sample, rows in zip(inputs, numbers, strict=True):
            sample[:, flat] = self._values[rows[flat] - len(planes)]
            rows = rows[mapped]
            # One block at a time: reads run along the planes, and the transposition fits the cache.
            for first in range(0, planes.shape[1], CELLS_AT_ONCE):
                block = slice(first, first + CELLS_AT_ONCE)
                sample[block, mapped] = planes[:, block][rows].T
        return inputs.reshape(len(numbers), *self.shape, -1)

    def plane_numbers(self, init_times) -> np.ndarray:
        """Return the base plane of each channel (init_time, channel), int.

        Numbers from the number of planes on point at `values`. Raises DataError for an init_time
        that has no sample.
        """
        positions = self._positions(init_times)
        dropped = positions[self.reasons[positions] != ""]
        if len(dropped):
            time, reason = self.time[dropped[0]], self.reasons[dropped[0]]
            raise DataError(f"init_time {_date(time)} has no sample: {reason}; see `Samples.dropped`")
        months, days = (
            self.time.month.to_numpy()[positions] - 1,
            self.time.day_of_year.to_numpy()[positions] - 1,
        )
        moves = {
            "time": lambda c: positions + c.offset,
            "month": lambda c: months,
            "valid_month": lambda c: (months + c.offset) % 12,
            "season": lambda c: days,
            "forecast": lambda c: self._forecast_rows[c.variable][positions],
            "nothing": lambda c: 0 * positions,
        }
        return np.stack([c.base + moves[c.follows](c) for c in self.channels], axis=1)

    def targets(self, init_times) -> np.ndarray:
        """Return what is to be forecast (init_time, y, x, lead), 0 where there is no truth.

        With target "ice_class": uint8, 0 open water, 1 marginal ice, 2 full ice. With target
        "siconc": SIC, float32, fraction 0..1.
        """
        valid = self._valid(init_times)
        truth = self._truth[valid]
        if self.target == "siconc":
            first = self.variables.index("siconc") * len(self.time)
            values = self._planes[first + np.minimum(valid, len(self.time) - 1)]
        else:
            values = truth
        return np.moveaxis(np.where(truth == NO_TRUTH, values.dtype.type(0), values), 1, -1)

    def weights(self, init_times) -> np.ndarray:
        """Return the weights (init_time, y, x, lead), float32, 0 where there is no truth.

        Elsewhere the weight is that of the valid month in active cells and 0 in others, see
        `planes.cell_weights`.
        """
        valid = self._valid(init_times)
        weights = self._cell_weights[self._calendar.month.to_numpy()[valid] - 1]
        return np.moveaxis(np.where(self._truth[valid] == NO_TRUTH, np.float32(0), weights), 1, -1)

    def valid_times(self, init_times) -> np.ndarray:
        """Return the valid times (init_time, lead), datetime64."""
        return self._calendar.to_numpy()[self._valid(init_times)]

    def has_truth(self, init_times) -> np.ndarray:
        """Return whether any target of each init_time exists, bool (init_time)."""
        observed = np.array([(plane != NO_TRUTH).any() for plane in self._truth])
        return observed[self._valid(init_times)].any(axis=1)

    def digest(self, init_times) -> str:
        """Return the SHA-256 of all that inputs, targets and weights of init_times are made of."""
        numbers, valid = self.plane_numbers(init_times), self._valid(init_times)
        content = hashlib.sha256(repr(self.metadata()).encode())
        used = np.unique(numbers[numbers < len(self._planes)])
        truth = self._truth[np.unique(valid)] if self.target == "ice_class" else self.targets(init_times)
        for array in (numbers, valid, self.active, *self._planes[used], *truth):
            content.update(np.ascontiguousarray(array))
        return content.hexdigest()

    def _check_target(self) -> None:
        """Raise DataError for a target that is unknown or that these channels can't give.

        SIC as the target is read from the base planes of `siconc`, which serve as inputs and truth.
        """
        if self.target not in TARGETS:
            raise DataError(f"target {self.target!r} is unknown; choose one of {', '.join(TARGETS)}")
        if self.target == "siconc" and ("siconc" not in self.variables or self._planes.dtype != np.float32):
            raise DataError(
                "target 'siconc' needs a channel of siconc, in float32: its time steps are the truth as well"
            )

    def _positions(self, init_times) -> np.ndarray:
        """Return the positions of init_times along time.

        Raises DataError for an init_time outside the record.
        """
        times = pd.DatetimeIndex(np.atleast_1d(init_times))
        positions = self.time.get_indexer(times)
        outside = times[positions < 0]
        if len(outside):
            raise DataError(
                f"init_time {_date(outside[0])} is not in the record "
                f"{_date(self.time[0])} to {_date(self.time[-1])}; "
                "an init_time is the first day of the first forecast step"
            )
        return positions

    def _valid(self, init_times) -> np.ndarray:
        """Return the positions of valid times (init_time, lead) along the calendar."""
        return self._positions(init_times)[:, None] + np.arange(self.n_leads)


def _requested(forecasts, channels: Sequence[Mapping], ready: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the forecasts that a channel asks for. Raises DataError for one on another grid."""
    names = [row.get("variable") for row in channels]
    requested = {name: forecast for name, forecast in (forecasts or {}).items() if name in names}
    for name, forecast in requested.items():
        for axis in ("y", "x"):
            if not np.array_equal(forecast[axis], ready[axis]):
                raise DataError(
                    f"forecasts of '{name}': their {axis} is not that of the ready store; compute them again"
                )
    return requested


def _date(time) -> str:
    return f"{time:%Y-%m-%d}"
