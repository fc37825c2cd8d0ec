"""Which initialisations are trained on, chosen by and judged on? Ranges in time whose targets keep apart."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from seaice.errors import DataError
from seaice.steps import bounds, cadence_of

BEFORE = 12  # months that must be known before an initialisation, Andersson et al. 2021
SPLITS = ("train", "validation", "test")  # in the order of time


def split(samples, splits: Mapping[str, Sequence[str]]) -> dict[str, pd.DatetimeIndex]:
    """Return the init_times of each split that have a sample (and, but for the test split, any truth).

    samples: `assembly.Samples`. splits: name to `[first, last]` init_time, "YYYY-MM" or "YYYY-MM-DD", where a month ends on the last of its
    days; train, validation and test in the order of time.
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
        undecided = np.flatnonzero(inside & samples.undecided)
        if len(undecided):
            first = undecided[0]
            raise DataError(
                f"split '{name}': init_time {_date(samples.time[first])} can't be used, {samples.reasons[first]}; shorten the split, "
                "or set `missing` to 'drop' or 'climatology' for that variable"
            )
        times = samples.time[inside & (samples.reasons == "")]
        if name != "test":
            times = times[samples.has_truth(times)]
        if not len(times):
            raise DataError(
                f"split '{name}' ({' to '.join(splits[name])}) is empty: no initialisation has all its inputs and a target"
            )
        out[name] = times
    return out


def _range(name: str, ends: Sequence[str], samples) -> tuple[pd.Timestamp, pd.Timestamp]:
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
            f"split '{name}' ({_date(first)} to {_date(last)}) leaves the record {_date(samples.time[0])} to {_date(samples.time[-1])}"
        )
    return first, last


def _date(time) -> str:
    return f"{time:%Y-%m-%d}"
