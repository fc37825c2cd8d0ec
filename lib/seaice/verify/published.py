"""What did the published IceNet score?

Reads the result tables of Andersson et al. 2021, doi:10.1038/s41467-021-25257-4. They lie in the
record doi:10.5285/71820e7d-c628-4e32-969f-464b7efb187c of the UK Polar Data Centre, and are the
entries `icenet_*` of the catalogue. The column names are those that the paper's public code gives
to the files. A file with other columns is refused, with both lists named.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from seaice.errors import DataError
from seaice.sources import catalog, download, transfer

DOI = "10.5285/71820e7d-c628-4e32-969f-464b7efb187c"
LAYOUTS = {  # entry: {our name of a column: its name in the file}
    "icenet_forecast_results": {
        "model": "Model",
        "member": "Ensemble member",
        "lead_time": "Leadtime",
        "valid_time": "Forecast date",
        "binary_accuracy": "Binary accuracy",
        "sie_error": "SIE error",
    },
    "icenet_permute_and_predict": {
        "variable": "Variable",
        "seed": "Seed",
        "lead_time": "Leadtime",
        "valid_time": "Forecast date",
        "accuracy_change": "Accuracy drop (%)",
    },
    "icenet_sip_bounding": {
        "model": "Model",
        "p": "p'",
        "cells": "frac_all",
        "errors": "frac_error",
        "edge": "frac_ice_edge",
    },
    "icenet_ice_edge_region": {
        "lead_time": "Leadtime",
        "valid_time": "Forecast date",
        "coverage": "Coverage",
        "area": "Area",
    },
    "icenet_uncertainty": {
        "model": "Model",
        "lead_time": "Leadtime",
        "valid_time": "Forecast date",
        "ice": "Ground truth",
        "edge": "Ice edge",
        "sip": "SIP",
        "error": "Error?",
    },
    "icenet_sea_ice_outlook_errors": {"year": "year", "init_month": "init_month", "sie_error": "sie_err"},
}
VALUES = {
    "binary_accuracy",
    "sie_error",
    "accuracy_change",
    "cells",
    "errors",
    "edge",
    "coverage",
    "area",
    "sip",
}
KM2 = {  # columns in km2 in the file, in million km2 here
    "icenet_forecast_results": "sie_error",
    "icenet_ice_edge_region": "area",
}
# All but the table that holds every cell of every forecast, which has gigabytes.
SMALL = tuple(entry for entry in LAYOUTS if entry != "icenet_uncertainty")
NAMES = {"SEAS5": "published_seas5", "Linear trend": "published_linear_trend"}
ABLATION = "icenet_pretrain_ablation"  # part of the name of networks that were not pre-trained
MEANS = ("ensemble_tempscaled", "ensemble", "NA")  # rows that stand for a whole model, the best first
PEERS = ("icenet", "seasonal", "linear_trend")  # our models that have a published counterpart
# Active area of the published scores by month, million km2: 33,928 cells of 25 km in March, which
# the loss weights 1, and as many / 1.77 in September, which it weights 1.77. From the paper's
# public code, doi:10.5281/zenodo.5176573; the areas of the other months are not given here.
ACTIVE_AREA = {3: 33_928 * 625 / 1e6, 9: 33_928 * 625 / 1e6 / 1.77}
TIMEOUT = 3.0  # seconds to wait for the server


def fetch(
    entries: Sequence[str] = SMALL, *, timeout: float = TIMEOUT, **options
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Read the published tables as far as they can be had.

    Returns the tables by entry, and by entry the reason why a table is missing. A server that does
    not answer is asked only once, for `timeout` seconds. options: see `catalog.open_entry`.
    """
    tables, reasons, no_answer = {}, {}, None
    for entry in entries:
        try:
            if no_answer and not _is_cached(entry, options):
                raise no_answer
            tables[entry] = read(entry, timeout=timeout, **options)
        except DataError as error:
            reasons[entry] = str(error)
            if isinstance(error, transfer.DownloadError) and not isinstance(error, transfer.NotThereError):
                no_answer = error
    return tables, reasons


def read(entry: str, *, timeout: float = TIMEOUT, **options) -> pd.DataFrame:
    """Read one published table, with our names and units, from the cache or over the network.

    entry: one of `LAYOUTS`. timeout: seconds until a silent server is given up. options: see
    `catalog.open_entry`.
    Raises DataError with the columns found and expected, or DownloadError with the address where
    the file cannot be fetched.
    """
    if entry not in LAYOUTS:
        raise DataError(f"no published table '{entry}'; there are {', '.join(LAYOUTS)}")
    source, address = catalog.source(entry, **options)
    if not _is_cached(entry, options):
        transfer.reach(address, timeout=timeout)
    return tidy(source.read(), entry)


def _is_cached(entry: str, options: dict) -> bool:
    """Return whether the file of an entry lies in the cache."""
    return download.local_path(catalog.source(entry, **options)[1]).is_file()


def tidy(table: pd.DataFrame, entry: str) -> pd.DataFrame:
    """Rename, check and convert the columns of a published table, see `LAYOUTS`.

    table: as read with keep_default_na=False.
    lead_time is in months; 1 is the month that begins at the initialisation. valid_time is the
    first day of the forecast month. Scores are in % and million km2, forecast - truth. Rows without
    any value are left out.
    Models are named published_icenet, published_icenet_no_pretraining, published_seas5 and
    published_linear_trend; others keep their names.
    Raises DataError that names the columns, or the text that is not a number or date.
    """
    layout = LAYOUTS[entry]
    if not set(layout.values()) <= set(table.columns):
        raise DataError(
            f"{entry}: the file has the columns {', '.join(map(str, table.columns[:12]))}; expected were "
            f"{', '.join(layout.values())}. Compare the file with the record doi:{DOI} and correct "
            "published.LAYOUTS"
        )
    table = table[list(layout.values())].set_axis(list(layout), axis=1)
    values = [column for column in layout if column in VALUES and table[column].dtype != bool]
    for column in values:
        table[column] = _numbers(table[column].replace("", np.nan), entry, layout[column])
    table = table.dropna(subset=values, how="all")
    for column in {"lead_time", "seed", "year", "p"} & set(layout):
        table[column] = _numbers(table[column], entry, layout[column])
    if "valid_time" in layout:
        dates = pd.to_datetime(table["valid_time"], errors="coerce")
        if dates.isna().any():
            raise DataError(
                f"{entry}: {table['valid_time'][dates.isna()].iloc[0]!r} in 'Forecast date' is no date"
            )
        table["valid_time"] = dates.astype("datetime64[ns]")
    if "member" in layout:
        table["member"] = table["member"].astype(str)
    if "model" in layout:
        table["model"] = table["model"].map(_named)
    if entry in KM2:
        table[KM2[entry]] = table[KM2[entry]] * 1e-6
    return table.reset_index(drop=True)


def _numbers(column: pd.Series, entry: str, name: str) -> pd.Series:
    """Return a column as numbers. Raises DataError for a text that is not a number."""
    numbers = pd.to_numeric(column, errors="coerce")
    bad = column[numbers.isna() & column.notna()]
    if len(bad):
        raise DataError(
            f"{entry}: {bad.iloc[0]!r} in '{name}' is no number; is the file complete, and in this layout?"
        )
    return numbers


def _named(model: str) -> str:
    """Return our name of a published model."""
    if model.startswith("IceNet"):
        return "published_icenet_no_pretraining" if ABLATION in model else "published_icenet"
    return NAMES.get(model, model)


def by_lead(results: pd.DataFrame, test: Sequence[str], *, metric: str = "binary_accuracy") -> pd.DataFrame:
    """Return the mean published score by model and lead, in the layout of skill.csv.

    results: table `icenet_forecast_results`. test: first and last init_time, "YYYY-MM", of the test
    years of this run.
    Where published forecasts fall into these years only those count, otherwise all do. The columns
    `first` and `last` give the first and last valid month. For IceNet the calibrated ensemble is
    taken.
    """
    rows = results[results["member"].isin(MEANS)].dropna(subset=metric)
    best_member = rows.groupby("model")["member"].transform(lambda members: min(members, key=MEANS.index))
    rows = rows[rows["member"] == best_member]
    init = rows["valid_time"].dt.to_period("M") - (rows["lead_time"].astype(int) - 1)
    shared = rows[(init >= pd.Period(test[0], "M")) & (init <= pd.Period(test[1], "M"))]
    rows = shared if len(shared) else rows
    table = rows.groupby(["model", "lead_time"]).agg(
        value=(metric, "mean"), n=(metric, "size"), first=("valid_time", "min"), last=("valid_time", "max")
    )
    return table.reset_index().assign(split="test", region="all", metric=metric, month="all")


def by_area(skill: pd.DataFrame, *, model: str = "icenet") -> pd.DataFrame:
    """Return a model's accuracy by month, and what the same error is worth over the paper's area.

    Binary accuracy is 100 (1 - IIEE / active area), so the same IIEE is a higher accuracy where
    more cells of certain water count. Columns lead_time, month (those of `ACTIVE_AREA`), iiee,
    area, published_area (million km2), accuracy, over_published_area and difference (%).
    skill: rows of one split of the whole map with the columns of skill.csv. Months whose forecasts
    are without error are left out, as they do not tell the area.
    """
    rows = skill[(skill["model"] == model) & skill["metric"].isin(("iiee", "binary_accuracy"))]
    rows = rows[rows["month"].astype(str).isin(map(str, ACTIVE_AREA))]
    table = rows.assign(month=rows["month"].astype(int)).pivot(
        index=["lead_time", "month"], columns="metric", values="value"
    )
    table = table.reindex(columns=["iiee", "binary_accuracy"])
    table = table[table["iiee"] > 0].reset_index().rename_axis(columns=None)
    table = table.rename(columns={"binary_accuracy": "accuracy"})
    table["area"] = table["iiee"] / (1 - table["accuracy"] / 100)
    table["published_area"] = table["month"].map(ACTIVE_AREA)
    table["over_published_area"] = 100 * (1 - table["iiee"] / table["published_area"])
    table["difference"] = table["over_published_area"] - table["accuracy"]
    columns = ["lead_time", "month", "iiee", "area", "published_area"]
    return table[[*columns, "accuracy", "over_published_area", "difference"]]


def account(run: str, tables: dict[str, pd.DataFrame], reasons: dict[str, str]) -> str:
    """Say which tables were read, which were not and why, and how they compare with this run."""
    lines = [f"read: {entry}, {len(table)} rows" for entry, table in tables.items()]
    lines += [f"NOT reached or not usable: {entry}" for entry in reasons]
    lines += [f"  because {reason}" for reason in dict.fromkeys(reasons.values())]
    if "icenet_forecast_results" not in tables:
        return "\n".join(
            [*lines, "What follows are this run's own scores only, with no published scores beside them."]
        )
    same = "It has the same record, grid and splits, so the scores compare."
    other = (
        "It has another record, grid or splits than the paper, so the scores stand side by side "
        "and are no contest."
    )
    return "\n".join([*lines, f"This run is '{run}'. {same if run == 'paper' else other}"])
