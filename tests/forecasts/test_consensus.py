"""The concentration that the members stand for: by hand, at the edge, on land, and lazily."""

import numpy as np
import xarray as xr

from seaice.forecasts import consensus


def test_it_is_the_mean_on_the_side_that_the_probability_says():
    """Two members: pack ice or water with more likely water; likely ice of little concentration; agreement; land."""
    members = xr.DataArray(
        np.float32([[[0.6, 0.10, 0.9, np.nan]], [[0.0, 0.14, 0.8, np.nan]]]), dims=("member", "y", "x")
    )
    sip = xr.DataArray(np.float32([[0.4, 0.7, 0.99, np.nan]]), dims=("y", "x"))
    found = consensus.siconc(members, sip)
    np.testing.assert_allclose(found, [[0.149, 0.151, 0.85, np.nan]], atol=1e-6)
    assert (
        ((found > 0.15).where(sip.notnull()) == (sip > 0.5).where(sip.notnull()))
        .where(sip.notnull(), True)
        .all()
    )
    lazy = consensus.siconc(members.chunk(x=2), sip.chunk(x=2))
    assert lazy.chunks is not None
    xr.testing.assert_identical(lazy.compute(), found)
