"""Which initialisations are for training, validation and test?

Splits are ranges in time. The targets of one never lie in the next.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from seaice.errors import DataError
from seaice.steps import bounds, cadence_of

BEFORE = 12  # months that must be observed before an initialisation, Andersson et al. 2021
SPLITS = ("train", "validation", "test")  # in the order of time


def split(samples, splits: Mapping[str, Sequence[str]]) -> dict[str, pd.DatetimeIndex]:
    """Return the init_times of each split that have a sample.

    In the splits train and validation they have a truth, too.

    samples: `assembly.Samples`. splits: name to `[first, last]` init_time, "YYYY-MM" or
    "YYYY-MM-DD"; a month ends on its last day. Their order in time is train, validation, test.
    Raises DataError for splits that are malformed, empty, unordered or overlapping, for one outside
    the record, for one whose targets reach into the next, and for one that lacks a predictor for
    which `missing` is "error".
    """
    ranges = {name: _range(name, ends, samples) for name, ends in splits.items()}
    names = [name for name in SPLITS if name in ranges]
    for name, next_name in zip(names, names[1:], strict=False):
        last, first = ranges[name][1], ranges[next_name][0]
        if last >= first:
            raise DataError(
                f"splits '{name}' (to {_date(last)}) and '{next_name}' (from {_date(first)}) overlap "
                "or are out of order"
            )
        target = last + (samples.n_leads - 1) * samples.time.freq
        if target >= first:
            raise DataError(
                f"split '{name}' ends at init_time {_date(last)}, whose last target {_date(target)} "
                f"lies in '{next_name}', which starts at {_date(first)}; end '{name}' earlier"
            )
    init_times = {}
    for name in names:
        in_split = (samples.time >= ranges[name][0]) & (samples.time <= ranges[name][1])
        undecided = np.flatnonzero(in_split & samples.undecided)
        if len(undecided):
            first = undecided[0]
            raise DataError(
                f"split '{name}': init_time {_date(samples.time[first])} can't be used, "
                f"{samples.reasons[first]}; shorten the split, "
                "or set `missing` to 'drop' or 'climatology' for that variable"
            )
        times = samples.time[in_split & (samples.reasons == "")]
        if name != "test":
            times = times[samples.has_truth(times)]
        if not len(times):
            raise DataError(
                f"split '{name}' ({' to '.join(splits[name])}) is empty: "
                "no initialisation has all its inputs and a target"
            )
        init_times[name] = times
    return init_times


def _range(name: str, ends: Sequence[str], samples) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the first and last init_time of a split.

    Raises DataError for an unknown name, malformed dates, and dates outside the record.
    """
    if name not in SPLITS:
        raise DataError(f"split '{name}' is unknown; the splits are {', '.join(SPLITS)}")
    well_formed = not isinstance(ends, str) and len(ends) == 2
    if not (well_formed and all(re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", str(end)) for end in ends)):
        raise DataError(
            f"split '{name}' is {ends!r}; write [first, last] init_time, such as ['1980-01', '2009-06']"
        )
    try:
        first, last = bounds(ends, cadence_of(samples.attrs))
    except ValueError as error:
        raise DataError(f"split '{name}': {error}") from error
    if first > last:
        raise DataError(f"split '{name}' starts at {_date(first)}, after its end {_date(last)}")
    if first < samples.time[0] or last > samples.time[-1]:
        raise DataError(
            f"split '{name}' ({_date(first)} to {_date(last)}) leaves the record "
            f"{_date(samples.time[0])} to {_date(samples.time[-1])}"
        )
    return first, last


def _date(time) -> str:
    return f"{time:%Y-%m-%d}"
