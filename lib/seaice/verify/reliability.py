"""Do probabilities mean what they say? Reliability, the parts of the Brier score, and ROC.

A forecast is reduced, block by block, to counts of cells by probability and outcome, from which all
else follows. There are `STEPS` bins of SIP, and one more for SIP = 1. Only active cells with
observed truth count.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice.verify.scoring import block_of_truth, blocks, pick
from seaice.verify.tables import JUDGED

STEPS = 100  # bins of SIP; a multiple of BINS
BINS = 10  # bins of the reliability diagram
OUTCOMES = (0, 1)  # open water, ice


def counts(sip: xr.DataArray, ready: xr.Dataset) -> xr.Dataset:
    """Count cells by lead, SIP and outcome.

    `cells (lead_time, sip, ice)` is the number of cells, `sip_sum`, same dims, the sum of their
    SIP. Coordinate `sip` is the lower bound of a bin, `ice` is 0 or 1.
    sip: (init_time, lead_time, y, x), 0..1, best lazy.
    """
    shape = (sip.sizes["lead_time"], STEPS + 1, len(OUTCOMES))
    cells, sip_sum = np.zeros(shape), np.zeros(shape)
    for init_times in blocks({"": sip}, ready):
        truth = block_of_truth(ready, init_times, sip.lead_time)
        values, ice, weight = xr.broadcast(pick(sip, init_times), truth.ice, truth.weight)
        counted = ((weight > 0) & values.notnull()).values
        lead = np.broadcast_to(np.arange(shape[0])[:, None, None], counted.shape[-3:])
        values = values.transpose("init_time", "lead_time", "y", "x").values.clip(0, 1)
        # Rounded, so that 0.29 as float32 does not fall into the bin of 0.28.
        step = np.floor(np.round(values[counted].astype(float) * STEPS, 4)).astype(int)
        place = np.ravel_multi_index(
            (np.broadcast_to(lead, counted.shape)[counted], step, ice.values[counted].astype(int)), shape
        )
        cells += np.bincount(place, minlength=cells.size).reshape(shape)
        sip_sum += np.bincount(place, weights=values[counted], minlength=cells.size).reshape(shape)
    coords = {"lead_time": sip.lead_time.values, "sip": np.arange(STEPS + 1) / STEPS, "ice": list(OUTCOMES)}
    return xr.Dataset({"cells": (tuple(coords), cells), "sip_sum": (tuple(coords), sip_sum)}, coords)


def all_counts(
    sips: Mapping[str, xr.DataArray], ready: xr.Dataset, splits: Mapping[str, Sequence[str]]
) -> xr.Dataset:
    """Count cells of several models on validation and test years.

    Dims (model, split, lead_time, sip, ice); see `counts`.
    """
    by_model = [
        xr.concat(
            [counts(sip.sel(init_time=slice(*splits[split])), ready) for split in JUDGED],
            pd.Index(JUDGED, name="split"),
        )
        for sip in sips.values()
    ]
    return xr.concat(by_model, pd.Index(list(sips), name="model"))


def reliability_table(counted: xr.Dataset) -> pd.DataFrame:
    """Return how often there was ice where a model forecast it with some probability.

    Columns model, split, lead_time ("all" or a lead), low, high (bounds of the bin of SIP),
    forecast (mean SIP), observed (frequency of ice), share (of cells). In a reliable forecast,
    forecast = observed.
    counted: see `all_counts`. Source: Murphy 1973,
    doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2.
    """
    ds = _binned(counted)
    number = ds.cells.sum("ice")
    table = xr.Dataset(
        {
            "forecast": ds.sip_sum.sum("ice") / number,
            "observed": ds.cells.sel(ice=1, drop=True) / number,
            "share": number / number.sum("bin"),
        }
    )
    table = table.to_dataframe().reset_index().dropna()
    table = table.assign(low=table["bin"] / BINS, high=(table["bin"] + 1) / BINS)
    return table[["model", "split", "lead_time", "low", "high", "forecast", "observed", "share"]]


def summary_table(counted: xr.Dataset) -> pd.DataFrame:
    """Return the parts of the Brier score, and the area under the ROC curve.

    Columns model, split, lead_time ("all" or a lead), metric, value.
    `reliability`: 0..1, perfect 0, mean square of forecast - observed frequency over the bins of
    `reliability_table`.
    `resolution`: more is better. `uncertainty`: of the outcome alone.
    The Brier score is close to reliability - resolution + uncertainty.
    `roc_auc`: 0.5 (no skill) .. 1 (perfect), computed by `scores`. Source: see `reliability_table`.
    """
    ds = _binned(counted)
    number = ds.cells.sum("ice")
    share = number / number.sum("bin")
    forecast, observed = ds.sip_sum.sum("ice") / number, ds.cells.sel(ice=1, drop=True) / number
    base = ds.cells.sel(ice=1, drop=True).sum("bin") / number.sum("bin")
    table = xr.Dataset(
        {
            "reliability": (share * (forecast - observed) ** 2).sum("bin"),
            "resolution": (share * (observed - base) ** 2).sum("bin"),
            "uncertainty": base * (1 - base),
            "roc_auc": roc(counted).AUC,
        }
    )
    return table.to_dataframe().reset_index().melt(["model", "split", "lead_time"], var_name="metric")


def roc(counted: xr.Dataset) -> xr.Dataset:
    """Return the ROC curve at every step of SIP, computed by `scores`.

    `POD`: share of ice that was found. `POFD`: share of open water that was called ice. `AUC`: area
    under the curve. Dims (model, split, lead_time, threshold), `AUC` without threshold; lead_time
    includes "all".
    counted: see `all_counts`.
    """
    from scores.probability import roc_curve_data  # imported here as in `scores.brier`

    cells = _with_all_leads(counted).cells
    sip, ice = cells.sip, cells.ice
    return roc_curve_data(
        sip.drop_vars("sip").broadcast_like(cells.drop_vars("sip")),
        ice.drop_vars("ice").broadcast_like(cells.drop_vars("ice")),
        thresholds=cells.sip.values,
        weights=cells.drop_vars(["sip", "ice"]),
        reduce_dims=["sip", "ice"],
        check_args=False,
    )


def _with_all_leads(counted: xr.Dataset) -> xr.Dataset:
    """Return the counts with their sum over the leads as a further lead_time "all", the first."""
    total = counted.sum("lead_time").expand_dims(lead_time=np.array(["all"], object))
    return xr.concat([total, counted.assign_coords(lead_time=counted.lead_time.astype(object))], "lead_time")


def _binned(counted: xr.Dataset) -> xr.Dataset:
    """Return the counts with the steps of SIP merged into `BINS` bins, SIP = 1 in the last."""
    bin_of_step = np.minimum(np.arange(STEPS + 1) * BINS // STEPS, BINS - 1)
    return _with_all_leads(counted).groupby(xr.DataArray(bin_of_step, dims="sip", name="bin")).sum()
