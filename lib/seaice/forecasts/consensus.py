"""Which single concentration do the members stand for? Their mean, with the ice edge where their probability has it."""

import xarray as xr

from seaice.schema import ICE_EDGE, SIP_EDGE

MARGIN = 1e-3  # SIC fraction by which a cell lies above or below the edge at least: rounding does not carry it over


def siconc(members: xr.DataArray, sip: xr.DataArray) -> xr.DataArray:
    """Mean SIC of the members, kept above 0.15 where ice is more likely than not, and below 0.15 where it is less.

    members: SIC (..., member, y, x), fraction 0..1; sip: the calibrated ensemble's probability of SIC > 0.15, 0..1, the other dims. Returns
    SIC with the dims of sip, 0..1, NaN where either is; lazy in, lazy out.

    The mean alone draws the edge too far out: a cell that has pack ice in one of three futures and water in two has a mean of 0.3 and
    counts as ice. Concentration has two peaks, at water and at pack ice, so that its mean lies where it seldom is.
    """
    mean = members.mean("member", skipna=False)
    known = mean.where(sip.notnull())
    return xr.where(
        sip > SIP_EDGE, known.clip(min=ICE_EDGE + MARGIN), known.clip(max=ICE_EDGE - MARGIN)
    ).transpose(*sip.dims)
