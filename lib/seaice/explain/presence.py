"""Which inputs does a forecast really have?

Where a predictor is missing in a whole time step, the climatology stands in for it. Neither its
importance nor its attribution can then be asked.
"""

import numpy as np
import pandas as pd

from seaice.samples.assembly import Samples


def exists(samples: Samples, init_times) -> np.ndarray:
    """Return whether the time step of each channel exists, bool (init_time, channel).

    Channels that follow no time series, such as the month, always exist. init_times: times that
    have a sample.
    """
    steps = samples.time.get_indexer(pd.DatetimeIndex(init_times))
    out = np.ones((len(steps), len(samples.channels)), bool)
    for place, channel in enumerate(samples.channels):
        if channel.follows == "time":
            out[:, place] = ~samples.absent[channel.variable][steps + channel.offset]
    return out
