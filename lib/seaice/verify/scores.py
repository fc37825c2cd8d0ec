"""How good is a forecast? Scores of maps of sea-ice probability (SIP) and ice classes.

Every score takes `sip`, `ice` and `weight`, which broadcast against each other, and reduces y and
x. `ice` is the truth, 1 where SIC > 0.15. `weight` is 1 where a cell counts and 0 where it does
not: inactive cells, and cells without an observed truth. A score is NaN where no cell counts.
"""

import xarray as xr

from seaice.grid import M_KM2
from seaice.schema import MAP
from seaice.thresholds import FULL_ICE, ICE_EDGE, SIP_EDGE


def binary_accuracy(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return the percentage of counting cells on the right side of the ice edge.

    100 sum w [(SIP > 0.5) = ice] / sum w. sip: 0..1 (..., y, x). Range 0..100 %, perfect 100. It
    equals 100 (1 - IIEE / active area).
    Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    return 100 * (1 - _share(_differs(sip, ice), weight))


def iiee(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float) -> xr.Dataset:
    """Return the integrated ice-edge error: the area where forecast and truth disagree about ice.

    IIEE = O + U, with O = A sum w [forecast ice, no true ice], U = A sum w [true ice, no forecast
    ice] and A the cell area.
    Returns `iiee`, `iiee_over` (O) and `iiee_under` (U), million km2, each from 0 (perfect) up.
    Source: Goessling et al. 2016, doi:10.1002/2015GL067232.
    """
    forecast = sip > SIP_EDGE
    over = _area(forecast & (ice == 0), weight, cell_area_km2)
    under = _area(~forecast & (ice == 1), weight, cell_area_km2)
    return xr.Dataset({"iiee": over + under, "iiee_over": over, "iiee_under": under})


def sie_error(
    sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float
) -> xr.DataArray:
    """Return the signed error of sea-ice extent over counting cells: A sum w ([SIP > 0.5] - ice).

    Million km2, forecast - truth, perfect 0. Unlike in the IIEE, errors of opposite sign cancel.
    Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    return _area((sip > SIP_EDGE).astype("float32") - ice, weight, cell_area_km2)


def brier(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return the Brier score: sum w (SIP - ice)^2 / sum w.

    Range 0..1, perfect 0. Computed by `scores`.
    Source: Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """
    from scores.probability import brier_score  # takes a second, which pages that score nothing do not need

    # `scores` leaves NaN out. Its own weights and checks would compute lazy data at once.
    return brier_score(sip.where(weight > 0), ice.where(weight > 0), reduce_dims=MAP, check_args=False)


def sps(sip: xr.DataArray, ice: xr.DataArray, weight: xr.DataArray, *, cell_area_km2: float) -> xr.DataArray:
    """Return the spatial probability score: A sum w (SIP - ice)^2, A the cell area.

    Million km2, from 0 (perfect) up. For a forecast without doubt (SIP 0 or 1) it equals the IIEE.
    Source: Goessling and Jung 2018, doi:10.1002/qj.3242.
    """
    return _area((sip - ice) ** 2, weight, cell_area_km2)


def rps(probability: xr.DataArray, siconc: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return the ranked probability score of the three ice classes.

    It is the sum of the Brier scores of "ice" and of "full ice", each computed by `scores`, and is
    not divided by the number of thresholds. Range 0..2, perfect 0.
    probability: (..., ice_class, y, x), 0..1, classes open water (SIC <= 0.15), marginal ice, full
    ice (SIC >= 0.80). siconc: fraction 0..1.
    Source: Epstein 1969, doi:10.1175/1520-0450(1969)008<0985:ASSFPF>2.0.CO;2.
    """
    full = probability.isel(ice_class=2, drop=True)
    ice = probability.isel(ice_class=1, drop=True) + full
    return brier(ice, siconc > ICE_EDGE, weight) + brier(full, siconc >= FULL_ICE, weight)


def class_accuracy(probability: xr.DataArray, siconc: xr.DataArray, weight: xr.DataArray) -> xr.DataArray:
    """Return the percentage of counting cells whose most probable ice class is the true one.

    probability: (..., ice_class, y, x), 0..1, classes open water (SIC <= 0.15), marginal ice, full
    ice (SIC >= 0.80). siconc: fraction 0..1.
    Range 0..100 %, perfect 100. Source: Andersson et al. 2021, doi:10.1038/s41467-021-25257-4.
    """
    true_class = (siconc > ICE_EDGE).astype("int8") + (siconc >= FULL_ICE)
    predicted = probability.fillna(0).argmax("ice_class")
    return 100 * (1 - _share(predicted != true_class, weight))


def _differs(sip, ice) -> xr.DataArray:
    """Return where forecast and truth lie on different sides of the ice edge."""
    return (sip > SIP_EDGE) != (ice == 1)


def _share(wrong, weight) -> xr.DataArray:
    """Return the share of counting cells that are wrong, 0..1; NaN where no cell counts."""
    total = weight.sum(MAP, skipna=False)
    return (wrong * weight).sum(MAP, skipna=False) / total.where(total > 0)


def _area(cells, weight, cell_area_km2) -> xr.DataArray:
    """Return the sum of cells x weight x cell area, million km2; NaN where no cell counts."""
    any_counts = (weight > 0).any(MAP)
    # A search for NaN costs more than the sum, and only a probability can be NaN.
    total = (cells * weight).sum(MAP, skipna=cells.dtype.kind == "f")
    return (total * (cell_area_km2 * M_KM2)).where(any_counts)
