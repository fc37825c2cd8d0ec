"""How good is a forecast of the concentration itself? Errors of SIC, and of the ice edge that it implies, of every forecast.

Cells, truth and seas are those of `scoring`: active cells with an observed truth.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from seaice.forecasts import consensus
from seaice.grid import Grid
from seaice.schema import ICE_EDGE, MAP
from seaice.verify import scores as verify_scores
from seaice.verify.scoring import block_of_truth, blocks, check_grid, judge, pick, windows, with_times


def forecasts(icenet: xr.Dataset, others: xr.Dataset) -> dict[str, xr.DataArray]:
    """SIC (init_time, lead_time, y, x) by model of all that forecast it, IceNet's as in `consensus`; empty where IceNet doesn't.

    icenet: see `ensemble.write`. others: see `baselines.simple.all_forecasts`; `siconc` is NaN throughout for models that forecast none. Lazy.
    """
    if "siconc" not in icenet:
        return {}
    found = {"icenet": consensus.siconc(icenet["siconc"], icenet["sip"])}
    for model in others["model"].values if "siconc" in others else ():
        siconc = others["siconc"].sel(model=model, drop=True)
        if bool(siconc.isel(lead_time=0).notnull().any().compute()):
            found[str(model)] = siconc
    return found


def forecast_scores(
    siconcs: Mapping[str, xr.DataArray], ready: xr.Dataset, *, seas: xr.DataArray | None = None
) -> xr.Dataset:
    """Score every forecast of SIC: all of `errors` (model, region, init_time, lead_time), NaN where forecast or truth is lacking.

    Coordinates `valid_time` and `block`, see `scoring.with_times`.
    siconcs: by model, fraction 0..1, (init_time, lead_time, y, x), best lazy; a forecast that is NaN on all counting cells is lacking.
    seas: bool (region, y, x), see `regions.mask`; region "all" comes first in any case. See `errors` for the metrics and their sources.
    Raises DataError for SIC outside 0..1, NaN in part of a forecast, another grid, or init_times off the record's steps.
    """
    for name, siconc in siconcs.items():
        check_grid(siconc, ready, name)
    within = windows(ready, seas)
    area = Grid.of(ready.attrs).cell_area_km2
    scored = {name: [] for name in siconcs}
    lead_time = np.unique(np.concatenate([siconc.lead_time.values for siconc in siconcs.values()]))
    for init_times in blocks(siconcs, ready):
        truth = block_of_truth(ready, init_times, lead_time)
        for name, siconc in siconcs.items():
            forecast = pick(siconc, init_times)
            if not forecast.sizes["init_time"]:
                continue
            known = truth.sel(init_time=forecast.init_time, lead_time=forecast.lead_time)
            judge(forecast, known.weight, name, what="SIC")
            scored[name].append(_score(forecast, known, within, cell_area_km2=area))
    whole = [xr.concat(parts, "init_time") for parts in scored.values()]
    scores = xr.concat(whole, pd.Index(list(siconcs), name="model", dtype=object), join="outer")
    return with_times(scores, ready)


def errors(
    forecast: xr.DataArray, siconc: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float
) -> xr.Dataset:
    """Errors of maps of SIC, reducing y and x; NaN where no cell counts.

    forecast, siconc: fraction 0..1; weight: 1 where a cell counts, else 0. `siconc_mse` = sum w (f - s)^2 / sum w, 0..1, perfect 0, whose
    root over many forecasts is the RMSE; `siconc_mae` = sum w |f - s| / sum w, 0..1, perfect 0; `siconc_iiee`, `siconc_iiee_over`,
    `siconc_iiee_under`: million km2, perfect 0, area where forecast and truth disagree about SIC > 0.15 (`verify.scores.iiee`; Goessling et
    al. 2016, doi:10.1002/2015GL067232).
    """
    total = weight.sum(MAP)
    difference = (forecast - siconc).where(weight > 0, 0)
    edge = verify_scores.iiee(
        (forecast > ICE_EDGE).astype("float32"), siconc > ICE_EDGE, weight, cell_area_km2=cell_area_km2
    )
    found = {
        "siconc_mse": (difference**2).sum(MAP) / total.where(total > 0),
        "siconc_mae": abs(difference).sum(MAP) / total.where(total > 0),
    }
    return xr.Dataset(found | {f"siconc_{name}": edge[name] for name in edge})


def _score(forecast: xr.DataArray, truth: xr.Dataset, within: Mapping, *, cell_area_km2: float) -> xr.Dataset:
    found = []
    for cut, mask in within.values():
        weight, part = truth.weight.isel(cut) * mask, forecast.isel(cut)
        scores = errors(part, truth.siconc.isel(cut), weight, cell_area_km2=cell_area_km2)
        found.append(scores.where((part.notnull() & (weight > 0)).any(MAP)))
    return xr.concat(found, pd.Index(list(within), name="region", dtype=object)).astype("float64")
