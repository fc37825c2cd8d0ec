"""Which single concentration do the members stand for?

It is their mean, corrected so that its ice edge lies where the ensemble's probability has it.
"""

import xarray as xr

from seaice.thresholds import ICE_EDGE, SIP_EDGE

# Least distance of a cell's SIC (fraction) from that of the edge. It is larger than rounding.
MARGIN = 1e-3


def siconc(members: xr.DataArray, sip: xr.DataArray) -> xr.DataArray:
    """Return the mean SIC of the members, with the ice edge where the probability has it.

    members: SIC (..., member, y, x), fraction 0..1. sip: the calibrated ensemble's probability of
    SIC > 0.15, 0..1, with the other dims. Returns SIC with the dims of sip, 0..1, NaN where either
    is NaN. Lazy data stay lazy.

    The mean alone puts the edge too far out. A cell that has pack ice in one of three members and
    water in two has a mean of 0.3, and would count as ice. The concentration has two peaks, at
    water and at pack ice, so its mean is a value that seldom occurs.
    """
    return on_side(members.mean("member", skipna=False), sip)


def on_side(siconc: xr.DataArray, sip: xr.DataArray) -> xr.DataArray:
    """Return SIC, kept above 0.15 where ice is more likely than not, else below 0.15.

    siconc: fraction 0..1. sip: the forecast's own probability of SIC > 0.15, 0..1, same dims.
    Returns SIC with the dims of sip, NaN where either is NaN. Lazy data stay lazy.
    """
    defined = siconc.where(sip.notnull())
    return xr.where(
        sip > SIP_EDGE, defined.clip(min=ICE_EDGE + MARGIN), defined.clip(max=ICE_EDGE - MARGIN)
    ).transpose(*sip.dims)
