"""How do the pieces of an ensemble of forecasts become one? Along dates of issue and leads."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from seaice.errors import DataError
from seaice.sources import joining

ISSUED, LEADS, MEMBERS = "forecast_reference_time", ("forecast_period", "forecastMonth"), "number"
EXACT = {"data_vars": "minimal", "coords": "minimal", "compat": "override", "join": "exact"}


def joined(pieces: Sequence[xr.Dataset], *, source: str, cadence: str | None) -> xr.Dataset:
    """Return the pieces of one request as one lazy dataset.

    Pieces without dates of issue are joined by `joining.joined`. Those of an ensemble are joined
    along their leads, then along their dates of issue; members that a forecast does not have are
    missing. Raises DataError for pieces that do not fit together.
    """
    if len(pieces) == 1:
        return pieces[0]
    if any(ISSUED not in piece.dims for piece in pieces):
        names = [f"{source}, piece {number}" for number, _ in enumerate(pieces, 1)]
        return joining.joined(pieces, names, cadence=cadence)
    by_date: dict[tuple, list[xr.Dataset]] = {}
    for piece in pieces:
        by_date.setdefault(tuple(piece[ISSUED].values.tolist()), []).append(piece)
    lead = next((name for name in LEADS if name in pieces[0].dims), None)
    try:
        issued = [
            parts[0] if len(parts) == 1 else xr.concat(parts, lead, **EXACT).sortby(lead)
            for parts in by_date.values()
        ]
        if any(MEMBERS in ds.dims for ds in issued):
            members = np.unique(np.concatenate([ds[MEMBERS].values for ds in issued]))
            issued = [ds.reindex({MEMBERS: members}) for ds in issued]
        out = xr.concat(issued, ISSUED, **EXACT).sortby(ISSUED)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{source}: its pieces do not fit together ({error}); delete them and try again"
        ) from None
    for name in (ISSUED, *([lead] if lead else [])):
        if out.indexes[name].has_duplicates:
            raise DataError(f"{source}: two of its pieces hold the same {name}; delete them and try again")
    return out
