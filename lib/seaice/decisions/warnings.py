"""What are the warnings worth? Dates and risks of the judged years against what came.

Nothing is fitted here: somebody with the cost-loss ratio a acts when the probability is a or more.
Calibration, trajectories and thresholds are of earlier years than those judged.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from seaice.decisions import cases as decisions_cases, events
from seaice.steps import bounds

COLUMNS = [
    *("model", "split", "quantity", "level", "kind", "season", "lead_time"),
    *("metric", "at", "value", "n", "years"),
]
ALL = "all"
BINS = np.arange(11) / 10  # of probability
RATIOS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)  # cost of acting over loss without
FINE = (0.1, 0.2, 0.5)  # of them, for places of one kind at one lead
SEASONS = {1: "Jan-Mar", 2: "Apr-Jun", 3: "Jul-Sep", 4: "Oct-Dec"}  # of the valid time, by quarter
DATES = ["model", "quantity", "level", "init_time", "name", "kind"]
FEWEST = 30  # warnings, below which a group of them has no scores
DECIMALS = 4


def table(cases: pd.DataFrame, splits: Mapping[str, Sequence[str]], *, cadence: str) -> pd.DataFrame:
    """Return the scores of all warnings of each split, with the columns `COLUMNS`.

    cases: see `cases.table`. splits: first and last init_time. kind, season, lead_time: "all" or
    one of them; two at most are not "all". n: warnings judged; years: calendar years of their
    init_times. A group of fewer than `FEWEST` has no rows. Metrics:

    - `crps` (steps; perfect 0): of the date of an event, with what has not happened within the
      forecast counted as later: the sum over the leads of (probability by then - outcome)^2.
    - `brier`, `base_rate`.
    - of the ensemble: `forecast`, `observed` in bins of probability (`at`: lower bound): mean
      probability, and how often it came true; n is that of the bin.
    - of the ensemble: `hit_rate`, `false_alarm_rate` of warnings given at a probability of `at` or
      more: share of events that were warned of, and share of non-events (false detection).
    - `value` at the cost-loss ratio `at`: relative economic value over acting on climatology, 1 for
      a perfect forecast, 0 for no gain, below 0 for a loss. Source: Richardson 2000,
      doi:10.1002/qj.49712656313.
    - `value_ends`: the last lead up to which value is above 0 at every shorter lead, 0 for none.
    """
    rows = []
    for split, ends in splits.items():
        first, last = bounds(ends, cadence)
        judged = cases[cases["init_time"].between(first, last)]
        if len(judged):
            rows += [(split, *row) for row in _split(judged, cadence)]
    result = pd.DataFrame(rows, columns=["split", *(c for c in COLUMNS if c != "split")])
    return result.assign(value=result["value"].astype(float).round(DECIMALS))[COLUMNS]


def _split(cases: pd.DataFrame, cadence: str) -> Iterator[tuple]:
    """Yield the rows of one split, without the name of the split."""
    cases = cases.assign(season=_season(cases, cadence))
    for key, group in cases.groupby(["quantity", "level"]):
        if key[0] in events.EVENTS:
            yield from _dates(group, key)
        for by in ([], ["kind"], ["season"], ["lead_time"], ["kind", "lead_time"]):
            for names, of_group in group.groupby(by) if by else [((), group)]:
                told = dict(zip(by, names, strict=True))
                place = tuple(told.get(name, ALL) for name in ("kind", "season", "lead_time"))
                if len(of_group) >= FEWEST * len(decisions_cases.MODELS):
                    yield from _scores(of_group, key, place, fine=len(by) == 2, whole=by in ([], ["kind"]))
        yield from _ends(group, key)


def _season(cases: pd.DataFrame, cadence: str) -> pd.Series:
    """Return the season of the valid time of each warning."""
    init = pd.DatetimeIndex(cases["init_time"])
    if cadence == "monthly":
        months = (init.month.to_numpy() + cases["lead_time"].to_numpy() - 2) % 12 + 1
    else:
        months = (init + pd.to_timedelta(cases["lead_time"].to_numpy() - 1, "D")).month.to_numpy()
    return pd.Series((months - 1) // 3 + 1, cases.index).map(SEASONS)


def _dates(group: pd.DataFrame, key: tuple) -> Iterator[tuple]:
    """Yield the CRPS of the dates of one event, of all places and by kind."""
    error = (group["probability"] - group["outcome"]) ** 2
    crps = error.groupby([group[name] for name in DATES]).sum().rename("crps").reset_index()
    for kind, of_kind in [(ALL, crps), *crps.groupby("kind")]:
        for model, of_model in of_kind.groupby("model"):
            if len(of_model) >= FEWEST:
                years = of_model["init_time"].dt.year.nunique()
                place = (kind, ALL, ALL)
                yield (model, *key, *place, "crps", "", of_model["crps"].mean(), len(of_model), years)


def _scores(group: pd.DataFrame, key: tuple, place: tuple, *, fine: bool, whole: bool) -> Iterator[tuple]:
    """Yield the scores of the warnings of one group.

    fine: only those of the ensemble, at the ratios `FINE`. whole: also those by probability.
    """
    by_model = dict(list(group.groupby("model")))
    reference = by_model[decisions_cases.CLIMATOLOGY].set_index(decisions_cases.KEYS)["probability"]
    for model, cases in by_model.items():
        own = model == decisions_cases.ICENET
        if fine and not own:
            continue
        probability, outcome = cases["probability"].to_numpy(float), cases["outcome"].to_numpy(float)
        n, years = len(cases), cases["init_time"].dt.year.nunique()
        head = (model, *key, *place)
        yield (*head, "brier", "", ((probability - outcome) ** 2).mean(), n, years)
        yield (*head, "base_rate", "", outcome.mean(), n, years)
        climatology = reference.reindex(pd.MultiIndex.from_frame(cases[decisions_cases.KEYS])).to_numpy(float)
        if model != decisions_cases.CLIMATOLOGY:
            for ratio in FINE if fine else RATIOS:
                worth = value(probability, outcome, climatology, ratio)
                if np.isfinite(worth):
                    yield (*head, "value", ratio, worth, n, years)
        if whole and own:
            yield from _by_probability(probability, outcome, head, years)


def value(probability: np.ndarray, outcome: np.ndarray, reference: np.ndarray, ratio: float) -> float:
    """Return the relative economic value of acting on a probability instead of a reference's.

    Acting costs `ratio`, an event without acting costs 1. NaN where the reference is perfect.
    """

    def expense(said: np.ndarray) -> float:
        acts = said >= ratio - 1e-6
        return float(np.where(acts, ratio, outcome).mean())

    perfect, without = ratio * float(outcome.mean()), expense(reference)
    return (without - expense(probability)) / (without - perfect) if without > perfect + 1e-12 else np.nan


def _by_probability(probability, outcome, head: tuple, years: int) -> Iterator[tuple]:
    """Yield reliability, hit rate and rate of false alarms by probability."""
    number = np.clip(np.digitize(np.round(probability, 6), BINS) - 1, 0, len(BINS) - 2)
    for k, low in enumerate(BINS[:-1]):
        inside = number == k
        if inside.any():
            n = int(inside.sum())
            yield (*head, "forecast", round(low, 1), probability[inside].mean(), n, years)
            yield (*head, "observed", round(low, 1), outcome[inside].mean(), n, years)
    for threshold in BINS[1:-1]:
        warned = probability >= threshold - 1e-6
        for metric, of in (("hit_rate", outcome == 1), ("false_alarm_rate", outcome == 0)):
            if of.any():
                yield (*head, metric, round(threshold, 1), warned[of].mean(), int(of.sum()), years)


def _ends(group: pd.DataFrame, key: tuple) -> Iterator[tuple]:
    """Yield the lead at which the value over climatology ends, by model and cost-loss ratio."""
    climatology = group[group["model"] == decisions_cases.CLIMATOLOGY].set_index(decisions_cases.KEYS)
    for model in (m for m in decisions_cases.MODELS if m != decisions_cases.CLIMATOLOGY):
        cases = group[group["model"] == model].set_index(decisions_cases.KEYS)
        reference = climatology["probability"].reindex(cases.index)
        leads = cases.index.get_level_values("lead_time")
        years = cases.index.get_level_values("init_time").year.nunique()
        for ratio in RATIOS:
            last = 0
            for lead in np.unique(leads):
                of_lead = leads == lead
                said, outcome = (cases[name].to_numpy(float)[of_lead] for name in ("probability", "outcome"))
                if not value(said, outcome, reference.to_numpy(float)[of_lead], ratio) > 0:
                    break
                last = int(lead)
            yield (model, *key, ALL, ALL, ALL, "value_ends", ratio, last, len(cases), years)


def came_true(table: pd.DataFrame, quantity: str, level: float, kind: str, chance: float) -> str | None:
    """Return a sentence on how often such a warning came true in the test years.

    table: of a run, see `table`. chance: the probability given now. Where places of this kind had
    fewer than `FEWEST` such warnings, those of all kinds count. None if there are too few.
    """
    number = int(np.clip(np.digitize(round(chance, 6), BINS) - 1, 0, len(BINS) - 2))
    low, high = (round(100 * end) for end in BINS[number : number + 2])
    rows = table[
        (table["model"] == decisions_cases.ICENET)
        & (table["split"] == "test")
        & (table["quantity"] == quantity)
        & np.isclose(pd.to_numeric(table["level"]), level)
        & (table["metric"] == "observed")
        & (table["season"] == ALL)
        & (table["lead_time"] == ALL)
        & np.isclose(pd.to_numeric(table["at"]), low / 100)
        & (table["n"] >= FEWEST)
    ]
    for of_kind, name in ((kind, f"of this kind of place ({kind})"), (ALL, "of all places")):
        row = rows[rows["kind"] == of_kind]
        if len(row):
            share, n = row["value"].iloc[0], int(row["n"].iloc[0])
            return (
                f"  Said at {low} to {high} %, such a warning {name} came true "
                f"{100 * share:.0f} % of {n} times "
                f"({int(row['years'].iloc[0])} test years)."
            )
    return None
