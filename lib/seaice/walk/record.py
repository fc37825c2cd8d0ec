"""What would a record look like if everything that is fitted to it were fitted up to a year?

The trend and the frequencies of ice come from years before their valid month anyway. Climatology,
damping, and the means and standard deviations of predictors are fitted again here. The cells that
count stay those of the stored record, so that every year and strategy is judged on the same ones.
"""

import hashlib

import numpy as np
import xarray as xr

from seaice.prepare import climate, derive, known_at, prior
from seaice.steps import cadence


def refitted(ready: xr.Dataset, fit_end: str) -> xr.Dataset:
    """Return a record whose normals and scaling are fitted to the months up to `fit_end`.

    ready: analysis-ready monthly data, in memory, with whatever is newer than `fit_end`; nothing of
    that is used in a fit. fit_end: "YYYY-MM". A predictor that was scaled before is scaled again,
    which gives the same as scaling the predictor itself. Frequencies of the first months of the
    record, before any year was observed, keep the climatology that they were made with.
    """
    fit = {"fit_start": ready.attrs["fit_start"], "fit_end": fit_end}
    normal = climate.climatology(ready["siconc"], **fit).assign_attrs(ready["siconc_climatology"].attrs)
    fields = {"siconc_climatology": normal}
    fields["siconc_damping"] = prior.anomaly_and_damping(ready.assign_attrs(fit))["siconc_damping"]
    for name in known_at.predictors(ready):
        options = {"source": str(ready.attrs.get("run", "record")), "cadence": cadence(ready)}
        statistics = derive.predictor_statistics(ready[name], fit, **options)
        again = derive.scaled(ready[name], statistics, cadence=cadence(ready))
        fields[name] = again.transpose("time", "y", "x").assign_attrs(ready[name].attrs)
    return ready.assign(fields).assign_attrs(fit)


def digest(ready: xr.Dataset) -> str:
    """Return the SHA-256 of all values of a record, variable by variable."""
    content = hashlib.sha256()
    for name in sorted(map(str, ready.data_vars)):
        content.update(name.encode())
        content.update(np.ascontiguousarray(ready[name].values))
    return content.hexdigest()
