"""What can a client get before there are networks? An ensemble of persistence.

Each member keeps the ice of one of the last days. This command writes the file that MeshiPhi
reads: `seaice persist nsidc0081_daily_north 2016-07-10 data/persisted`.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
import xarray as xr

from seaice.errors import DataError
from seaice.grid import Grid
from seaice.products import meshiphi
from seaice.sources import providers


def forecast(record: xr.Dataset, init_time, *, n_leads: int, days: int) -> xr.Dataset:
    """Return `siconc` (lead_time, member, y, x), fraction, NaN on land.

    Member k is, at every lead, the ice of k days before `init_time`.
    record: `siconc` (time, y, x) and `land` of a daily entry, attributes `hemisphere` and
    `resolution_km`. n_leads: forecast days. days: number of members. A cell without a value on a
    day gets the value of the nearest of these days before it, or else after it.
    Raises DataError if a day is not in the record or has no value, and if a cell has no value on
    any of the days.
    """
    init_time = pd.Timestamp(init_time)
    member_days = pd.date_range(end=init_time - pd.Timedelta(days=1), periods=days)
    past = record.siconc.reindex(time=member_days).where(~record.land).load()
    # Providers insert days that were not published as NaN. Filled, such a day would only repeat
    # its neighbour.
    missing = member_days[past.isnull().all(("y", "x")).values]
    if len(missing):
        raise DataError(
            f"siconc of {', '.join(missing.strftime('%Y-%m-%d'))} is missing; choose another init_time, "
            "fewer days before it, or an entry that has them"
        )
    past = past.copy(data=_filled(past.values))
    if bool((past.isnull() & ~record.land).any()):
        raise DataError(
            f"siconc has cells without a value on any of the {days} days before {init_time:%Y-%m-%d}"
        )
    members = (
        past.rename(time="member")
        .assign_coords(member=np.arange(days, 0, -1))
        .isel(member=slice(None, None, -1))
    )
    ahead = members.expand_dims(lead_time=np.arange(1, n_leads + 1)).drop_vars("crs", errors="ignore")
    attrs = {name: record.attrs[name] for name in ("hemisphere", "resolution_km")} | {"cadence": "daily"}
    return ahead.to_dataset(name="siconc").assign_coords(init_time=init_time).assign_attrs(attrs)


def _filled(values: np.ndarray) -> np.ndarray:
    """Return values (day, y, x) with gaps filled from the day before.

    Gaps at the beginning are filled from the day after.
    """
    table = pd.DataFrame(values.reshape(len(values), -1)).ffill().bfill()
    return table.to_numpy("float32").reshape(values.shape)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def command(
    entry: Annotated[str, typer.Argument(help="Catalogue entry of daily concentrations.")],
    init_time: Annotated[str, typer.Argument(help="First day of the forecast, YYYY-MM-DD.")],
    folder: Annotated[Path, typer.Argument(help="Where the file goes.")],
    hemisphere: str = "north",
    resolution_km: float = 75.0,
    n_leads: int = 14,
    days: int = 5,
) -> None:
    """Write an ensemble of persistence as the file that MeshiPhi reads."""
    first = pd.Timestamp(init_time) - pd.Timedelta(days=days)
    try:
        record = providers.load(
            entry, Grid(hemisphere, resolution_km), start=f"{first:%Y-%m-%d}", end=init_time
        )
        ds = forecast(record, init_time, n_leads=n_leads, days=days)
        folder.mkdir(parents=True, exist_ok=True)
        about = {"source": entry, "references": str(record.attrs.get("references", ""))}
        title = f"Persistence of sea ice concentration from {init_time}"
        typer.echo(meshiphi.write(ds, folder, attrs=about, title=title))
    except DataError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
