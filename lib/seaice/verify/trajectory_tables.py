"""What do the scores of trajectories say, and which maker is the best?

One row for each maker, split, sea, lead, month and metric. The maker is chosen on validation years.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import pandas as pd
import xarray as xr

from seaice.errors import DataError
from seaice.steps import cadence
from seaice.verify import ensembles, intervals, rows
from seaice.verify.tables import by_month, parts, with_number
from seaice.verify.targets import on_targets, same_targets
from seaice.verify.texture import LONG_KM

COLUMNS = ["maker", "split", "region", "lead_time", "month", "metric", "value", "low", "high", "n"]
MEANS = ("extent_crps", "siconc_crps", "sps", "brier", "siconc_energy", "variogram")  # less is better
# Metrics given for single seas and months; few, to keep the table small.
DETAILED = ("extent_crps", "extent_spread_skill", "siconc_crps")
OF_ALL_LEADS = ("extent_energy", "crossing_crps")
# Scores that choose the maker: of single cells, of the extent, of all seas and leads together, and
# of neighbouring cells. Each counts as its share of the mean over all makers.
CHOICE = ("siconc_crps", "extent_crps", "extent_energy", "variogram")


def table(scores: xr.Dataset, splits: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the scores of trajectories, columns `COLUMNS`.

    Means: `extent_crps`, `sps` (million km2), `siconc_crps`, `brier`, `siconc_energy`, `variogram`,
    and with lead_time "all" `extent_energy` (million km2) and `crossing_crps` (steps).
    Ratios, perfect 1: `extent_spread_skill`, `siconc_spread_skill` (see `ensembles.spread_skill`);
    `edge_length_ratio` and `power_ratio` of single members over the truth, the latter of waves
    longer than `texture.LONG_KM`. `siconc_rank_departure`: of the fullest or emptiest of ten bins
    of ranks from an even share, perfect 0.
    `choice`: see `choice`, lead_time and region "all".
    All makers are judged on the same forecasts, and every lead on the same targets where these are
    many enough, see `targets.same_targets`. low, high: interval over blocks of targets, see
    `intervals`, for month "all" only. n: forecasts. Only `DETAILED` metrics have rows of months,
    and of seas, these for month "all" only.
    scores: see `trajectories.forecast_scores`. splits: first and last init_time of those judged.
    """
    tables = []
    for split, of_split in parts(scores, splits).items():
        common = _common(of_split)
        for metric, (sums, statistic) in _sums(common).items():
            regions = slice(None) if metric in DETAILED else slice(1)  # "all" comes first
            coords = {d: common[d].values for d in ("maker", "region", "lead_time")}
            coords["region"] = coords["region"][regions]
            by_metric = by_month(sums[:, :, regions], statistic, coords, common)
            first = islice(by_metric, None if metric in DETAILED else 1)  # the rows of all months
            tables += [rows_of.assign(split=split, metric=metric) for rows_of in first]
        tables.append(_over_leads(of_split).assign(split=split))
    made = pd.concat(tables, ignore_index=True)
    chosen = pd.concat([choice(made, split).assign(split=split) for split in made["split"].unique()])
    return pd.concat([made, chosen], ignore_index=True)[COLUMNS]


def choice(made: pd.DataFrame, split: str = "validation") -> pd.DataFrame:
    """Return by maker how its scores `CHOICE` compare with the mean of all makers; less is better.

    The value is the mean of its shares, 1 for a maker that is like the mean. Scores are means over
    leads, of the whole map and all months. Without the extent alone: it is but one number a
    forecast, and years of validation are few.
    """
    kept = made[(made["split"] == split) & (made["region"] == "all") & (made["month"] == "all")]
    means = kept[kept["metric"].isin(CHOICE)].groupby(["maker", "metric"], sort=False)["value"].mean()
    by_maker = means.unstack("metric")
    shares = (by_maker / by_maker.mean()).mean(axis=1)
    labels = {"metric": "choice", "region": "all", "lead_time": "all", "month": "all"}
    n = kept.loc[kept["metric"] == "extent_energy", "n"].max()
    return pd.DataFrame({"maker": shares.index, "value": shares.to_numpy()}).assign(
        low=np.nan, high=np.nan, n=n, **labels
    )


def chosen(made: pd.DataFrame) -> str:
    """Return the maker that the validation years choose. Raises DataError where there are none."""
    compared = made[(made["metric"] == "choice") & (made["split"] == "validation")].dropna(subset="value")
    if compared.empty:
        raise DataError("trajectories: no scores of validation years; name a maker in the run file")
    return str(compared.loc[compared["value"].idxmin(), "maker"])


def differences(scores: xr.Dataset, splits: Mapping[str, Sequence[str]], *, maker: str) -> pd.DataFrame:
    """Return the mean score of one maker minus that of each other one, with intervals.

    Columns maker, baseline, split, lead_time, metric, difference, low, high, n, blocks,
    blocks_ahead. Metrics: `MEANS`, of the whole map; a negative difference is better.
    scores, splits: see `table`.
    """
    tables = []
    named = scores[list(MEANS)].rename(maker="model")
    for split, of_split in parts(named, splits).items():
        for metric in MEANS:
            one = of_split[[metric]]
            one = one if "region" in one.dims else one.expand_dims(region=["all"])
            options = {"model": maker, "sign": -1, "cadence": cadence(scores)}
            tables.append(
                rows.differences(one, metric, intervals.mean, **options).assign(split=split, metric=metric)
            )
    columns = ["maker", "baseline", "split", "lead_time", "metric", "difference", "low", "high", "n"]
    return pd.concat(tables, ignore_index=True).assign(maker=maker)[[*columns, "blocks", "blocks_ahead"]]


def _common(of_split: xr.Dataset) -> xr.Dataset:
    """Return the scores by target of the forecasts that are judged, see `targets.same_targets`."""
    by_target = on_targets(of_split.drop_vars(OF_ALL_LEADS))
    exists = by_target["extent_crps"].sel(region="all", drop=True).notnull().all("maker")
    if not exists.any():
        raise DataError("trajectories: no forecast of a split has a truth; choose other years")
    kept = same_targets(exists)
    return by_target.where(kept).sel(target=kept.any("lead_time"))


def _sums(common: xr.Dataset) -> dict:
    """Return by metric the sums (target, maker, region, lead_time, k), and their statistic.

    Those of metrics without regions have one of them.
    """
    members, long_waves = common.attrs["members"], common["wavelength"].values > LONG_KM

    def spread_skill(sums):
        return ensembles.spread_skill(sums[..., 0], sums[..., 1], members)

    out = {name: (with_number(_values(common[name])), intervals.mean) for name in MEANS}
    for kind in ("extent", "siconc"):
        pair = [_values(common[f"{kind}_{name}"]) for name in ("variance", "error")]
        out[f"{kind}_spread_skill"] = _both(pair), spread_skill
    pair = [_values(common[name]) for name in ("edge_length", "true_edge_length")]
    out["edge_length_ratio"] = _both(pair), _ratio
    if long_waves.any():
        pair = [_values(common[name])[..., long_waves].sum(-1) for name in ("power", "true_power")]
        out["power_ratio"] = _both(pair), _ratio
    counts = np.nan_to_num(_values(common["siconc_ranks"]))
    out["siconc_rank_departure"] = np.concatenate([counts, counts.any(-1)[..., None]], axis=-1), _departure
    return out


def _values(score: xr.DataArray) -> np.ndarray:
    """Return a score as (target, maker, region, lead_time, ...)."""
    score = score if "region" in score.dims else score.expand_dims(region=1)
    return score.transpose("target", "maker", "region", "lead_time", ...).values


def _both(pair: Sequence[np.ndarray]) -> np.ndarray:
    """Return two arrays and whether both exist along a new last axis, to be added up."""
    exists = np.isfinite(pair).all(0)
    return np.stack([*np.where(exists, pair, 0), exists], axis=-1)


def _ratio(sums: np.ndarray) -> np.ndarray:
    """Return the ratio of two sums; NaN where the second is 0."""
    return sums[..., 0] / np.where(sums[..., 1] > 0, sums[..., 1], np.nan)


def _departure(sums: np.ndarray) -> np.ndarray:
    """Return the largest departure of a bin from an even share, as a share of it."""
    counts = sums[..., :-1]
    mean = counts.mean(-1, keepdims=True)
    return abs(counts / np.where(mean > 0, mean, np.nan) - 1).max(-1)


def _over_leads(of_split: xr.Dataset) -> pd.DataFrame:
    """Return the rows of `OF_ALL_LEADS`; blocks are of first targets."""
    tables = []
    for metric in OF_ALL_LEADS:
        score = of_split[metric].transpose("init_time", "maker").values
        exists = np.isfinite(score).all(1)
        block = intervals.blocks(of_split["init_time"].values[exists], cadence(of_split))
        sums = intervals.by_block(with_number(score[exists]), block)
        made = rows.values(sums, intervals.mean, {"maker": of_split["maker"].values})
        tables.append(made.assign(metric=metric, region="all", lead_time="all", month="all"))
    return pd.concat(tables, ignore_index=True)
