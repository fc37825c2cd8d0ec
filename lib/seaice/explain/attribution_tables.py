"""What do the attributions add up to?

Sums by channel, variable and family, their completeness, and a comparison of ranks with
permute-and-predict.
"""

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
    "season": ("month", "season"),
    "memory of anomalies": ("siconc_damping",),  # how long they last: it differs by month, but is no season
    "boosted trees": ("trees",),
    "place": ("land", "position"),
    "sea temperature": ("tos",),
}
OTHER = "weather"
FOUND = ("previous SIC", "trend and recent years", "season")  # what Joakimsen et al. found to matter
MEAN = "mean"  # in the column member: the mean of all members
UNTRAINED = -1  # number of the member that has learnt nothing
NETWORKS = ("trained", "untrained", "difference")  # in the column network
SUM_DIGITS = 3  # significant digits in files
COLUMNS = ("case", "init_time", "lead_time", "method", "baseline", "network", "channel", "variable", "lag")
COLUMNS += ("exists", "member", "value", "magnitude", "agreement", "rank")


def channel_table(store: xr.Dataset) -> pd.DataFrame:
    """Return sums over all cells of the maps of `attribution.ensemble`.

    One row for each case, lead, method, network, channel and member.
    Columns case, init_time ("YYYY-MM"), lead_time, method, baseline, channel, variable, lag (or
    lead), exists (False where the climatology stands in for a missing time step), network, member
    (a seed, or "mean"), value (signed sum), magnitude (sum of absolute values; for "mean" of the
    mean map), agreement (share of members whose value has the sign of the mean, 0..1) and rank (1
    has the greatest magnitude). The last two are given for "mean" only. Members have no row where
    all is 0. Unit: that of `attribution`.
    network: "trained", the members; "untrained", the network before training; "difference", trained
    minus untrained, cell by cell, which is the attribution of what training added. The last two
    have rows of "mean" only.
    """
    learnt = store.member.values != UNTRAINED
    seeds = [str(seed) for seed in store.member.values[learnt]]
    tables = []
    for case in store.case.values:
        for lead in store.lead_time.values:
            at_lead = store.sel(case=case, lead_time=lead)
            labels = {
                "case": f"{pd.Timestamp(case):%Y-%m}",
                "init_time": f"{pd.Timestamp(at_lead.init_time.values):%Y-%m}",
                "lead_time": int(lead),
                "channel": store.channel.values,
                "variable": store["variable"].values,
                "lag": store.lag.values,
                "exists": at_lead["exists"].values.astype(bool),
            }
            for name in store.method.values:
                maps = at_lead.attribution.sel({"method": name}).values.astype("float64")
                method, baseline = METHODS[name]
                labels |= {"method": method, "baseline": baseline}
                first_guess, members = maps[~learnt], maps[learnt]
                of_network = zip(NETWORKS, (members, first_guess, members - first_guess), strict=True)
                tables += [_mean_sums(labels | {"network": network}, of) for network, of in of_network]
                tables += [
                    pd.DataFrame(labels | {"network": NETWORKS[0], "member": seed} | _sums(of_member))
                    for seed, of_member in zip(seeds, members, strict=True)
                ]
    table = pd.concat(tables, ignore_index=True).astype({"rank": "Int64"})
    table = table[(table["member"] == MEAN) | (table["magnitude"] > 0)].reset_index(drop=True)
    return table[[*COLUMNS]]


def _sums(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Return signed sums and sums of absolute values of maps (..., y, x)."""
    return {"value": maps.sum(axis=(-2, -1)), "magnitude": abs(maps).sum(axis=(-2, -1))}


def _mean_sums(labels: dict, maps: np.ndarray) -> pd.DataFrame:
    """Return the rows of the mean of maps (member, channel, y, x), one for each channel."""
    sums = _sums(maps.mean(axis=0))
    frame = pd.DataFrame(labels | {"member": MEAN} | sums)
    agreement = (np.sign(maps.sum(axis=(2, 3))) == np.sign(sums["value"])).mean(axis=0)
    rank = frame["magnitude"].rank(ascending=False, method="min").astype("int")
    return frame.assign(agreement=np.where(frame["magnitude"] > 0, agreement, np.nan), rank=rank)


def family(variable: str) -> str:
    """Return the family of a variable, of `FAMILIES` or `OTHER`."""
    return next((name for name, variables in FAMILIES.items() if variable in variables), OTHER)


def grouped(table: pd.DataFrame, by: str = "family") -> pd.DataFrame:
    """Add up the channels of `channel_table` to variables or families.

    by: "family" or "variable". One row for each case, lead_time, method, baseline, network,
    member and group.
    Columns value, magnitude, share (% of all magnitude) and agreement, which is given for member
    "mean" and is that of the members' sums.
    The magnitudes of channels are added: opposite signs within a group do not cancel in
    `magnitude`, but do in `value`. Raises DataError for another `by`.
    """
    if by not in ("family", "variable"):
        raise DataError(f"channels are grouped by 'family' or 'variable', not {by!r}")
    group = table["variable"] if by == "variable" else table["variable"].map(family)
    keys = ["case", "lead_time", "method", "baseline", "network", "member"]
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


def mean_rows(table: pd.DataFrame, method: str, network: str = NETWORKS[0]) -> pd.DataFrame:
    """Return the rows of the mean of the members for a method of `gradients.METHODS`.

    network: of `NETWORKS`.
    Raises DataError for another method, and where there are no rows.
    """
    if method not in METHODS:
        raise DataError(f"attribution method '{method}' is unknown; choose of {', '.join(METHODS)}")
    kind, baseline = METHODS[method]
    rows = table[(table["member"] == MEAN) & (table["method"] == kind) & (table["baseline"] == baseline)]
    rows = rows[rows["network"] == network]
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
    the rows of the networks, of the test split and of all months.
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
    theirs = theirs[theirs["model"] == "networks"]
    if theirs.empty:
        return pd.DataFrame(columns=columns)
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


def families(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each family adds, by case, lead, method, baseline and network.

    table: of `channel_table`. Columns share (% of all magnitude of that network; of the difference,
    % of what training added), value (signed, cells with ice), magnitude, agreement, lacking
    (variables of which a time step does not exist, so that the climatology stands in for them).
    """
    lacking = table[~table["exists"]].groupby(["case", "lead_time"])["variable"]
    lacking = lacking.agg(lambda names: " ".join(dict.fromkeys(names))).rename("lacking")
    rows = grouped(table).query("member == @MEAN").drop(columns="member")
    rows = rows.join(lacking, on=["case", "lead_time"]).fillna({"lacking": ""})
    keys = ["case", "lead_time", "method", "baseline", "network", "family"]
    return rows[[*keys, "share", "value", "magnitude", "agreement", "lacking"]]


def answers(families: pd.DataFrame, *, method: str, case: str) -> pd.DataFrame:
    """Return the share (%) of each family for a case, a column for each network and lead.

    families: see `families`. The row "of the finding" adds up the families `FOUND`. Raises
    DataError where there are no rows.
    """
    kind, baseline = METHODS[method]
    rows = families[(families["method"] == kind) & (families["baseline"] == baseline)]
    rows = rows[rows["case"] == case]
    if rows.empty:
        raise DataError(f"no attributions of {case} by {method}; there are {sorted(set(families['case']))}")
    shares = rows.pivot(index="family", columns=["network", "lead_time"], values="share")
    shares = shares.reindex(columns=list(NETWORKS), level="network")
    shares = shares.loc[shares.mean(axis=1).sort_values(ascending=False).index]
    shares.loc["of the finding"] = shares[shares.index.isin(FOUND)].sum()
    return shares


def of_all_cases(families: pd.DataFrame, *, method: str) -> pd.DataFrame:
    """Return the share (%) of the families `FOUND` together, and of what else was observed.

    One row for each case, and for the finding, sea temperature and weather; columns as in
    `answers`.
    """
    rows = ["of the finding", "sea temperature", OTHER]
    by_case = {case: answers(families, method=method, case=case) for case in dict.fromkeys(families["case"])}
    return pd.concat(
        {case: shares.reindex(rows).dropna() for case, shares in by_case.items()}, names=["case"]
    )


def predictors(table: pd.DataFrame) -> str:
    """Return in words which predictors exist at each case and lead, a line for each."""
    rows = table[["case", "init_time", "lead_time", "channel", "variable", "exists"]].drop_duplicates()
    lines = []
    for (case, lead, init), inputs in rows.groupby(["case", "lead_time", "init_time"]):
        present = inputs.groupby("variable", sort=False)["exists"].agg(["sum", "size"])
        words = [
            f"no {name}" if have == 0 else f"{name} of {have} of {of} months"
            for name, have, of in present.itertuples()
            if have < of
        ]
        text = ", ".join(words) or "every predictor exists"
        lines.append(f"{case}, lead {lead} (initialised {init}): {text}")
    return "\n".join(lines)


def strongest(table: pd.DataFrame, *, method: str, case: str, lead: int, n: int = 4) -> list[str]:
    """Return the names of the channels of greatest magnitude for a case and lead.

    Raises DataError where the table has no rows of them.
    """
    rows = mean_rows(table, method)
    rows = rows[(rows["case"] == case) & (rows["lead_time"] == lead)]
    if rows.empty:
        raise DataError(f"no attributions of {case} at lead {lead}; there are {sorted(set(table['case']))}")
    return rows.nsmallest(n, "rank")["channel"].tolist()
