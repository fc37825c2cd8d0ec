"""Which times of a record can be an initialisation? Those that have all inputs of the channels."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.samples.channels import Channel
from seaice.steps import FREQUENCY, cadence


def regular_time(ready: xr.Dataset) -> pd.DatetimeIndex:
    """Return the time axis of a record, with its frequency.

    Raises DataError, naming the first date, where a step is missing, repeated or out of order.
    """
    time = pd.DatetimeIndex(ready.indexes["time"])
    regular = pd.date_range(time[0], time[-1], freq=FREQUENCY[cadence(ready)])
    if not time.equals(regular):
        wrong = regular.symmetric_difference(time)
        where = f"{wrong[0]:%Y-%m-%d}" if len(wrong) else "a repeated or unordered date"
        raise DataError(
            f"ready store: time is not every {cadence(ready)} step from {time[0]:%Y-%m-%d} "
            f"to {time[-1]:%Y-%m-%d}: see {where}"
        )
    return regular


def find_unusable(
    time: pd.DatetimeIndex,
    channels: Sequence[Channel],
    absent: Mapping[str, np.ndarray],
    missing: Mapping[str, str],
    *,
    forecast_rows: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Return why each time can't be an initialisation, and whether that is an error.

    Both have the dims (time,). The reason is a text, "" for a time that can be an initialisation.
    It is an error where the data are missing and the policy of their variable is "error".

    time: of the record, with its frequency. absent: whether steps are missing as a whole, bool
    (time,), by variable. missing: policy by variable, see `channels.policies`. forecast_rows: by
    name of another model, the row of its forecast for each time (time,), below 0 for none.
    """
    reasons, is_error = np.full(len(time), "", object), np.zeros(len(time), bool)
    # Variables with the policy "error" come last: a time that is dropped needs no decision.
    order = sorted(
        (channel for channel in channels if channel.follows == "time"),
        key=lambda channel: missing[channel.variable] == "error",
    )
    for channel in order:
        steps = np.arange(len(time)) + channel.offset
        outside = (steps < 0) | (steps >= len(time))
        lacking = absent[channel.variable][np.clip(steps, 0, len(time) - 1)]
        lacking &= missing[channel.variable] != "climatology"
        for i in np.flatnonzero((outside | lacking) & (reasons == "")):
            date = time[i] + channel.offset * time.freq
            state = "outside the record" if outside[i] else "missing"
            reasons[i] = f"{channel.variable} of {date:%Y-%m-%d} is {state}"
            is_error[i] = not outside[i] and missing[channel.variable] == "error"
    for name, rows in forecast_rows.items():
        reasons[(rows < 0) & (reasons == "")] = f"{name} has no forecast"
    return reasons, is_error
