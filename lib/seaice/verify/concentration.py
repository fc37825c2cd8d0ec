"""How good is a forecast of the concentration itself?

Errors of SIC, and of the ice edge that it implies, for every forecast. Cells, truth and seas are
those of `scoring`: active cells with an observed truth.
"""

from collections.abc import Mapping

import xarray as xr

from seaice.forecasts import consensus
from seaice.grid import Grid
from seaice.schema import MAP
from seaice.thresholds import ICE_EDGE
from seaice.verify import scores as verify_scores
from seaice.verify.scoring import by_region, score_blocks


def forecasts(icenet: xr.Dataset, others: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return SIC (init_time, lead_time, y, x) of every model that forecasts it, by model; lazy.

    Every SIC lies on the side of the ice edge that the model's own SIP says, see `consensus`.
    icenet: see `ensemble.write`. The result is empty where IceNet has no `siconc`.
    others: see `baselines.simple.all_forecasts`; `siconc` of a model that forecasts none is NaN
    throughout, and the model is left out.
    """
    if "siconc" not in icenet:
        return {}
    by_model = {"icenet": consensus.siconc(icenet["siconc"], icenet["sip"])}
    for model in others["model"].values if "siconc" in others else ():
        siconc = others["siconc"].sel(model=model, drop=True)
        if bool(siconc.isel(lead_time=0).notnull().any().compute()):
            by_model[str(model)] = consensus.on_side(siconc, others["sip"].sel(model=model, drop=True))
    return by_model


def forecast_scores(
    siconcs: Mapping[str, xr.DataArray], ready: xr.Dataset, *, seas: xr.DataArray | None = None
) -> xr.Dataset:
    """Score every forecast of SIC: all of `errors`, dims (model, region, init_time, lead_time).

    Scores are NaN where the forecast or the truth is missing. Coordinate `valid_time`:
    see `scoring.with_times`. Metrics and their sources: see `errors`.
    siconcs: by model, fraction 0..1, (init_time, lead_time, y, x), best lazy. A forecast that is
    NaN on all counting cells counts as missing.
    seas: bool (region, y, x), see `regions.mask`. Region "all" always comes first.
    Raises DataError for SIC outside 0..1, NaN in some of the cells of a forecast, another grid, or
    init_times that are not steps of the record.
    """
    area = Grid.of(ready.attrs).cell_area_km2

    def score(_name: str, forecast: xr.DataArray, truth: xr.Dataset, regions: Mapping) -> xr.Dataset:
        fields = truth.assign(forecast=forecast)
        return by_region(
            lambda part: errors(part.forecast, part.siconc, part.weight, cell_area_km2=area), fields, regions
        )

    return score_blocks(score, siconcs, ready, seas=seas, what="SIC")


def errors(
    forecast: xr.DataArray, siconc: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float
) -> xr.Dataset:
    """Return the errors of maps of SIC, reduced over y and x; NaN where no cell counts.

    forecast, siconc: fraction 0..1. weight: 1 where a cell counts, else 0.
    `siconc_mse` = sum w (f - s)^2 / sum w, 0..1, perfect 0. The root of its mean over many
    forecasts is the RMSE.
    `siconc_mae` = sum w |f - s| / sum w, 0..1, perfect 0.
    `siconc_iiee`, `siconc_iiee_over`, `siconc_iiee_under`: million km2, perfect 0, the area where
    forecast and truth disagree about SIC > 0.15 (`verify.scores.iiee`).
    Source of the IIEE: Goessling et al. 2016, doi:10.1002/2015GL067232.
    """
    total = weight.sum(MAP)
    difference = (forecast - siconc).where(weight > 0, 0)
    edge = verify_scores.iiee(
        (forecast > ICE_EDGE).astype("float32"), siconc > ICE_EDGE, weight, cell_area_km2=cell_area_km2
    )
    means = {
        "siconc_mse": (difference**2).sum(MAP) / total.where(total > 0),
        "siconc_mae": abs(difference).sum(MAP) / total.where(total > 0),
    }
    return xr.Dataset(means | {f"siconc_{name}": edge[name] for name in edge})
