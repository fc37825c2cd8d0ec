"""A record whose ice wobbles as a whole, a forecast of it that is not sure, and what trajectories are made from."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from seaice.baselines.simple import damped_anomaly_persistence
from seaice.schema import ICE_CLASSES
from seaice.steps import valid_time
from seaice.trajectories import making
from support import synthetic

KM = 300.0  # km: neighbouring cells are near enough for the variogram score
N_LEADS = 3
TRAINED = pd.date_range("1980-01-01", "1996-06-01", freq="MS")
SPLITS = {"validation": ["1998-01", "2000-06"], "test": ["2001-01", "2003-06"]}
JUDGED = pd.date_range("1998-01-01", "2003-06-01", freq="MS")


def ready(**options) -> xr.Dataset:
    return synthetic.ready(resolution_km=KM, end="2003-12", fit_end="1997-12", variables=(), **options)


def forecast(record: xr.Dataset, times=JUDGED) -> xr.Dataset:
    """Return class probabilities that fade from one class to the next where the expected SIC nears its bounds."""
    leads = range(1, N_LEADS + 1)
    expected = damped_anomaly_persistence(record, times, lead_times=leads)
    above = [expit((expected - bound) / 0.1).values for bound in (0.15, 0.80)]
    probability = np.stack([1 - above[0], above[0] - above[1], above[1]], axis=2).astype("float32")
    dims = ("init_time", "lead_time", "ice_class", "y", "x")
    coords = {"init_time": times, "lead_time": list(leads), "ice_class": list(ICE_CLASSES)}
    coords |= {"y": record.y, "x": record.x}
    made = xr.Dataset({"class_probability": (dims, probability)}, coords)
    return made.assign_coords(valid_time=valid_time(times, leads)).assign(
        sip=made.class_probability[:, :, 1:].sum("ice_class")
    )


def source(record: xr.Dataset) -> making.Source:
    return making.source(record, forecast(record), TRAINED)
