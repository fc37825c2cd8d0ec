"""What does an update do to other years than the next? Forgetting, transfer, and what it costs.

R[i, j] is the score of a strategy's networks on year j, with what they knew when year i began.
A year before i has been learnt, a probe year never is. Source: Lopez-Paz and Ranzato 2017,
arXiv:1706.08840; b is the frozen network in place of an untrained one.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from seaice import files, progress
from seaice.prepare.truth import truth_and_weight
from seaice.samples.assembly import Samples
from seaice.steps import valid_time
from seaice.thresholds import SIP_EDGE
from seaice.walk.kept import Store
from seaice.walk.networks import SCRATCH, Walk
from seaice.walk.years import Protocol

METRICS = ("brier", "binary_accuracy")
FROZEN = "frozen"
GAINS = {"brier": -1, "binary_accuracy": 1}  # sign of a gain, so that a positive transfer is a good one


def matrix(walk: Walk, strategies: Sequence[str], *, last_year: int) -> xr.Dataset:
    """Return R, `METRICS` (strategy, updated, year), of networks alone, uncalibrated.

    updated: the years that begin with an update. year: those and the probe years. Each year is
    judged on the forecasts that have all their targets in it, so that each month counts once: of
    six leads those of January and July. The scores of each strategy and update are kept on disk.
    """
    protocol, store = walk.protocol, walk.store
    updated = range(protocol.begin, last_year + 1)
    years = [*protocol.probes, *updated]
    shape = (len(strategies), len(updated), len(years))
    scores = {metric: np.full(shape, np.nan) for metric in METRICS}
    for i, year in enumerate(progress.bar(updated, desc="transfer", unit="year")):
        samples = None
        for s, strategy in enumerate(strategies):
            # One that is frozen as a whole is the same in all years.
            of_year = protocol.begin if strategy == FROZEN else year
            file = store.place(f"transfer/{strategy}/{of_year}.json")
            kept = files.read_json(file)
            if kept.get("key") != store.key or not {*map(str, years)} <= kept.get("years", {}).keys():
                samples = samples or walk.samples(of_year)
                kept = {"key": store.key, "years": _scores(walk, strategy, of_year, samples, years)}
                files.write_json(file, kept)
            for j, judged_year in enumerate(years):
                for metric in METRICS:
                    scores[metric][s, i, j] = kept["years"][str(judged_year)][metric]
    coords = {"strategy": np.array(strategies, object), "updated": [*updated], "year": years}
    return xr.Dataset({metric: (tuple(coords), values) for metric, values in scores.items()}, coords)


def _scores(walk: Walk, strategy: str, updated: int, samples: Samples, years: Sequence[int]) -> dict:
    """Return the scores on each year of the networks that a strategy has when a year begins."""
    scores = {}
    for year in years:
        times = covering(year, walk.protocol)
        times = times[np.isin(times, samples.init_times)]
        sips = [
            walk.learner(samples, seed).forecast(walk.store.weights(strategy, updated, seed), samples, times)
            for seed in walk.walk.seeds
        ]
        scores[str(year)] = score(walk.ready, times, np.mean(sips, axis=0))
    return scores


def covering(year: int, protocol: Protocol) -> pd.DatetimeIndex:
    """Return the initialisations whose targets at all leads are the months of a year, each once."""
    months = range(1, 13 - protocol.n_leads + 1, protocol.n_leads)
    return pd.DatetimeIndex([pd.Timestamp(year, month, 1) for month in months])


def score(ready: xr.Dataset, times: pd.DatetimeIndex, sip: np.ndarray) -> dict[str, float]:
    """Return `METRICS` of forecasts (init_time, lead_time, y, x), each cell that counts alike.

    NaN without any such cell.
    """
    if not len(times):
        return dict.fromkeys(METRICS, float("nan"))
    ice, weight = truth_and_weight(ready, valid_time(times, range(1, sip.shape[1] + 1)))
    counts = (weight.values > 0) & np.isfinite(sip)
    if not counts.any():
        return dict.fromkeys(METRICS, float("nan"))
    p, happened = sip[counts], ice.values[counts] > 0
    right = (p > SIP_EDGE) == happened
    return {"brier": float(np.mean((p - happened) ** 2)), "binary_accuracy": 100 * float(right.mean())}


def table(scores: xr.Dataset, store: Store, probes: Sequence[int]) -> pd.DataFrame:
    """Return what each strategy comes to, against its cost: one row for each strategy and metric.

    Columns: strategy, metric; acc, the mean score of the last update on the years it has learnt;
    bwt (backward transfer), their mean change since each was learnt; fwt (forward transfer), the
    mean gain over the frozen network on years that are not yet learnt; probe, the score of the last
    update on the probe years; probe_bwt, its change since the first. Changes are gains: positive is
    better. cost: seconds of a processor to learn in a year, the mean of all updates but the first;
    share: of that of `retrained`.
    scores: see `matrix`.
    """
    updated = scores.updated.values
    costs = {str(s): _cost(store, str(s), updated) for s in scores.strategy.values}
    rows = []
    for strategy in costs:
        for metric in METRICS:
            gain = GAINS[metric] * scores[metric].sel(strategy=strategy)
            frozen = GAINS[metric] * scores[metric].sel(strategy=FROZEN) if FROZEN in costs else None
            last = updated[-1]
            learnt, later = updated[:-1], updated[1:]
            after = [gain.sel(updated=j + 1, year=j).item() for j in learnt]
            row = {"strategy": strategy, "metric": metric}
            row["acc"] = GAINS[metric] * float(gain.sel(updated=last, year=learnt).mean())
            row["bwt"] = float(np.mean(gain.sel(updated=last, year=learnt).values - after))
            if frozen is not None:
                ahead = [(gain - frozen).sel(updated=j, year=j).item() for j in later]
                row["fwt"] = float(np.nanmean(ahead))
            if len(probes):
                of_probes = gain.sel(year=[*probes]).mean("year")
                row["probe"] = GAINS[metric] * float(of_probes.sel(updated=last))
                row["probe_bwt"] = float(of_probes.sel(updated=last) - of_probes.sel(updated=updated[0]))
            row["cost"] = costs[strategy]
            row["share"] = costs[strategy] / costs[SCRATCH] if costs.get(SCRATCH) else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def _cost(store: Store, strategy: str, updated: np.ndarray) -> float:
    """Return the mean seconds that a strategy takes to learn a year, after the first.

    The mean of weights costs what the updates cost that it averages.
    """
    name = "replay" if strategy == "replay_averaged" else strategy
    years = updated[1:]
    return float(np.mean([store.cost(name, int(year))["learn"] for year in years])) if len(years) else 0.0
