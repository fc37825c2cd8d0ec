"""What do the attributions add up to?

Sums by channel, variable and family, their completeness, and a comparison of ranks with
permute-and-predict.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.explain.gradients import METHODS, SMALLEST

# Families of variables: previous SIC, trend and season as in Joakimsen et al. 2024, others ours.
FAMILIES = {
    "previous SIC": ("siconc", "siconc_anomaly"),
    "trend and recent years": ("siconc_trend", "ice_frequency", "full_ice_frequency"),
    "season": ("month", "siconc_damping"),  # the damping is one map for each calendar month
    "boosted trees": ("trees",),
    "place": ("land", "position"),
}
OTHER = "weather and ocean"
MEAN = "mean"  # in the column member: the mean of all members
SUM_DIGITS = 3  # significant digits in files


def channel_table(store: xr.Dataset) -> pd.DataFrame:
    """Return sums over all cells of the maps of `attribution.ensemble`.

    One row for each case, lead, method, channel and member.
    Columns case, init_time ("YYYY-MM"), lead_time, method, baseline, channel, variable, lag (or
    lead), member (a seed, or "mean"), value (signed sum), magnitude (sum of absolute values; for
    "mean" of the mean map), agreement (share of members whose value has the sign of the mean, 0..1)
    and rank (1 has the greatest magnitude). The last two are given for "mean" only. Members have no
    row where all is 0. Unit: that of `attribution`.
    """
    tables = []
    coords = {"channel": store.channel.values, "variable": store["variable"].values, "lag": store.lag.values}
    for case in store.case.values:
        for lead in store.lead_time.values:
            init = pd.Timestamp(store.init_time.sel(case=case, lead_time=lead).values)
            for name in store.method.values:
                maps = store.attribution.sel({"case": case, "lead_time": lead, "method": name}).values.astype(
                    "float64"
                )
                method, baseline = METHODS[name]
                labels = {
                    "case": f"{pd.Timestamp(case):%Y-%m}",
                    "init_time": f"{init:%Y-%m}",
                    "lead_time": int(lead),
                }
                labels |= {"method": method, "baseline": baseline, **coords}
                values, mean = maps.sum(axis=(2, 3)), maps.mean(axis=0)
                value, magnitude = mean.sum(axis=(1, 2)), abs(mean).sum(axis=(1, 2))
                agreement = (np.sign(values) == np.sign(value)).mean(axis=0)
                rank = pd.Series(magnitude).rank(ascending=False, method="min").astype("int").to_numpy()
                columns = {"value": value, "magnitude": magnitude, "agreement": agreement, "rank": rank}
                tables.append(pd.DataFrame(labels | {"member": MEAN} | columns))
                frame = tables[-1]
                frame["agreement"] = frame["agreement"].where(frame["magnitude"] > 0)
                for seed, value_of_member, magnitude_of_member in zip(
                    store.member.values, values, abs(maps).sum(axis=(2, 3)), strict=True
                ):
                    tables.append(
                        pd.DataFrame(
                            labels
                            | {
                                "member": str(seed),
                                "value": value_of_member,
                                "magnitude": magnitude_of_member,
                            }
                        )
                    )
    table = pd.concat(tables, ignore_index=True).astype({"rank": "Int64"})
    return table[(table["member"] == MEAN) | (table["magnitude"] > 0)].reset_index(drop=True)


def family(variable: str) -> str:
    """Return the family of a variable, of `FAMILIES` or `OTHER`."""
    return next((name for name, variables in FAMILIES.items() if variable in variables), OTHER)


def grouped(table: pd.DataFrame, by: str = "family") -> pd.DataFrame:
    """Add up the channels of `channel_table` to variables or families.

    by: "family" or "variable". One row for each case, lead_time, method, baseline, member and
    group.
    Columns value, magnitude, share (% of all magnitude) and agreement, which is given for member
    "mean" and is that of the members' sums.
    The magnitudes of channels are added: opposite signs within a group do not cancel in
    `magnitude`, but do in `value`. Raises DataError for another `by`.
    """
    if by not in ("family", "variable"):
        raise DataError(f"channels are grouped by 'family' or 'variable', not {by!r}")
    group = table["variable"] if by == "variable" else table["variable"].map(family)
    keys = ["case", "lead_time", "method", "baseline", "member"]
    out = (
        table.assign(**{by: group})
        .groupby([*keys, by], sort=False)[["value", "magnitude"]]
        .sum()
        .reset_index()
    )
    out["share"] = 100 * out["magnitude"] / out.groupby(keys)["magnitude"].transform("sum")
    row_keys = [k for k in (*keys, by) if k != "member"]
    mean = out[out["member"] == MEAN].set_index(row_keys)["value"].rename("of_mean")
    members = out[out["member"] != MEAN].join(mean, on=row_keys)
    same_sign = (
        (np.sign(members["value"]) == np.sign(members["of_mean"]))
        .groupby([members[k] for k in row_keys])
        .mean()
    )
    out = out.join(same_sign.rename("agreement"), on=row_keys)
    return out.assign(agreement=out["agreement"].where(out["member"] == MEAN))


def mean_rows(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Return the rows of the mean of the members for a method of `gradients.METHODS`.

    Raises DataError for another method, and where there are no rows.
    """
    if method not in METHODS:
        raise DataError(f"attribution method '{method}' is unknown; choose of {', '.join(METHODS)}")
    kind, baseline = METHODS[method]
    rows = table[(table["member"] == MEAN) & (table["method"] == kind) & (table["baseline"] == baseline)]
    if rows.empty:
        raise DataError(f"the table has no rows of method '{method}'; attribute by it first")
    return rows


def completeness(store: xr.Dataset) -> pd.DataFrame:
    """Return by how much integrated gradients miss the difference of the outputs.

    One row for each case, lead, member and method. Columns output, baseline_output, attributed (sum
    over all inputs) and missed. missed: % of the difference; where the difference is smaller than 1
    % of the number of cells of the region, % of that number (see `gradients.SMALLEST`). 0 is
    complete.
    """
    chosen = store.sel({"method": [m for m in store.method.values if METHODS[m][0] == "integrated"]})
    attributed = chosen.attribution.astype("float64").sum(("channel", "y", "x"))
    change = chosen.output - chosen.baseline_output
    least = SMALLEST * chosen.region_cells
    table = xr.Dataset(
        {
            "output": chosen.output.broadcast_like(change),
            "baseline_output": chosen.baseline_output,
            "attributed": attributed,
            "missed": 100 * abs(attributed - change) / np.maximum(abs(change), least),
        }
    )
    keys = ["case", "method", "lead_time", "member"]
    return table.reset_coords(drop=True).to_dataframe().reset_index()[[*keys, *table.data_vars]]


def read_importance(path: Path) -> pd.DataFrame | None:
    """Return the table of permute-and-predict, or None where it has not been made."""
    return pd.read_csv(path) if path.is_file() else None


def rank_agreement(table: pd.DataFrame, importance: pd.DataFrame | None, *, method: str) -> pd.DataFrame:
    """Compare the ranks of inputs here with those by permute-and-predict.

    It is Spearman's rank correlation of the magnitude here and of |change| there, by kind of group
    and lead.
    table: of `channel_table`; magnitudes are added over the cases.
    importance: table of permute-and-predict with the columns group, kind, within_month, split,
    lead_time, month, metric and change. Its groups that are channels or variables are compared, in
    the rows of the test split and of all months.
    Columns kind, within_month, lead_time, rho (-1..1) and groups (how many). There is no row where
    nothing can be compared.
    """
    columns = ["kind", "within_month", "lead_time", "rho", "groups"]
    if importance is None:
        return pd.DataFrame(columns=columns)
    rows = mean_rows(table, method)
    ours = pd.concat(
        rows.groupby(["lead_time", by], sort=False)["magnitude"].sum().rename_axis(["lead_time", "group"])
        for by in ("channel", "variable")
    )
    ours = ours[~ours.index.duplicated()].rename("of_gradients")
    theirs = importance[(importance["split"] == "test") & (importance["month"].astype(str) == "all")]
    metric = "binary_accuracy" if "binary_accuracy" in set(theirs["metric"]) else theirs["metric"].iloc[0]
    theirs = theirs[
        (theirs["metric"] == metric) & (theirs["lead_time"].astype(str).isin(map(str, rows["lead_time"])))
    ]
    joined = theirs.astype({"lead_time": int}).join(ours, on=["lead_time", "group"], how="inner")
    out = []
    for key, pairs in joined.groupby(["kind", "within_month", "lead_time"]):
        if len(pairs) > 2:
            out.append(
                (*key, pairs["change"].abs().corr(pairs["of_gradients"], method="spearman"), len(pairs))
            )
    return pd.DataFrame(out, columns=columns)


def answers(table: pd.DataFrame, *, method: str, leads: Sequence[int] | None = None) -> pd.DataFrame:
    """Return the share of magnitude (%) and the signed value of each family, by lead.

    One row for each case and family.
    """
    rows = mean_rows(grouped(table), method)
    rows = rows if leads is None else rows[rows["lead_time"].isin(leads)]
    return rows.pivot(index=["case", "family"], columns="lead_time", values=["share", "value", "agreement"])


def strongest(table: pd.DataFrame, *, method: str, case: str, lead: int, n: int = 4) -> list[str]:
    """Return the names of the channels of greatest magnitude for a case and lead.

    Raises DataError where the table has no rows of them.
    """
    rows = mean_rows(table, method)
    rows = rows[(rows["case"] == case) & (rows["lead_time"] == lead)]
    if rows.empty:
        raise DataError(f"no attributions of {case} at lead {lead}; there are {sorted(set(table['case']))}")
    return rows.nsmallest(n, "rank")["channel"].tolist()
