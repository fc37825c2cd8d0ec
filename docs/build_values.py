"""Which numbers do sentences of README and docs state? Write each from its tracked table.

Run: python docs/build_values.py

In the text, a value is `<!--v key-->0.04<!--/v-->`; here, its key has an expression. A key that is
unknown or that no page uses is an error, and so is a table that lacks what is asked for: a run may
be older than the sentence.
"""

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import pandas as pd
from tracked import against_persistence, gain, settings, table

from seaice import paths
from seaice.errors import DataError
from seaice.explain.attribution_tables import FOUND
from seaice.networks import costs
from seaice.prepare import known_at

ACCURACY = "binary_accuracy"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
ICENET, NETWORKS, TREES, PLAIN_TREES = (
    ("nsidc_north", model) for model in ("icenet", "networks", "trees", "plain_trees")
)
PLAIN = ("nsidc_plain", "icenet")
DAMPED = "damped_anomaly_persistence"
DAILY, DAILY_SOUTH = "nsidc_daily_north", "nsidc_daily_south"


def signed(number: float, digits: int = 2) -> str:
    """Write a number with its sign; what rounds to zero is +0."""
    return f"{round(number, digits) + 0.0:+.{digits}f}"


def word(number: int) -> str:
    """Write a count, as a word up to ten."""
    return WORDS[number] if number < len(WORDS) else str(number)


def span(numbers: pd.Series, digits: int = 2, unit: str = "") -> str:
    """Write the least and the greatest of some numbers, with their signs."""
    return f"from {signed(numbers.min(), digits)} to {signed(numbers.max(), digits)}{unit}"


def leads(those: Iterable[int], name: str = "lead") -> str:
    """Write leads in words: "no lead", "lead 3", "leads 1, 2 and 5 to 9"."""
    runs = [
        [n for _, n in run] for _, run in groupby(enumerate(sorted(those)), lambda pair: pair[1] - pair[0])
    ]
    parts = [part for run in runs for part in ([f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run))]
    if not parts:
        return f"no {name}"
    text = " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
    return f"{name} {text}" if text.isdigit() else f"{name}s {text}"


def mean_gain(one: tuple[str, str], other: tuple[str, str], *, split: str = "test") -> str:
    """Write the accuracy of one model minus that of another, mean of the leads, in points."""
    return signed(gain(one, other, ACCURACY, split=split).mean())


def both_gains(one: tuple[str, str], other: tuple[str, str]) -> str:
    """Write `mean_gain` on the test years and, in brackets, on the validation years."""
    return f"{mean_gain(one, other)} ({mean_gain(one, other, split='validation')})"


def ahead(run: str, model: str) -> str:
    """Write the leads at which a model has more accuracy than IceNet."""
    more = gain((run, model), (run, "icenet"), ACCURACY)
    return leads(more.index[more > 0])


def behind(metric: str) -> str:
    """Write the days on which the best of the three persistences has less error than IceNet."""
    change = against_persistence(DAILY, metric).change
    return leads(change.index[change > 0], "day")


def daily_brier() -> pd.Series:
    """Return IceNet's Brier score minus that of the trees, by day."""
    return gain((DAILY, "icenet"), (DAILY, "trees"), "brier")


def dates(run: str, split: str = "test") -> str:
    """Write the first and last init_time of a split of a run."""
    return " to ".join(settings(run).samples.splits.ranges[split])


def grid(run: str) -> str:
    """Write grid spacing and number of networks of a run."""
    count = len(settings(run).forecast.seeds)
    return f"{settings(run).data.resolution_km:g} km, {count} {'member' if count == 1 else 'members'}"


def edge(model: str) -> str:
    """Write a model's accuracy in the Septembers of ECMWF's edge, by mean concentration, in %."""
    rows = table("nsidc_edge", "tables/september_edge.csv", model=model, metric=ACCURACY, period="all")
    return f"{rows[rows.truth == 'concentration'].value.item():.1f}"


def contest(
    run: str, baseline: str, metric: str = ACCURACY, *, digits: int = 2, unit: str = " points"
) -> str:
    """Write a named difference of IceNet, mean of all leads, with its blocks and its verdict."""
    rows = table(run, "tables/contests.csv", baseline=baseline, metric=metric, split="test", lead_time="all")
    (row,) = rows.itertuples()
    verdict = "separated from 0" if row.separated else "not separated from 0"
    difference = signed(row.difference, digits)
    blocks = "months" if settings(run).data.cadence == "daily" else "years"
    return f"{difference}{unit} (better in {row.blocks_ahead} of {row.blocks} {blocks}; {verdict})"


def worst_bin(run: str, model: str, least: float = 0.01) -> str:
    """Write by how much a probability was off at worst, of tenths with 1 % of the cells or more."""
    rows = table(run, "tables/reliability.csv", model=model, split="test", lead_time="all")
    rows = rows[rows.share >= least]
    return f"{(rows.observed - rows.forecast).abs().max():.2f}"


def fitted_threshold(run: str, model: str) -> str:
    """Write what a fitted threshold adds to a model's accuracy, mean of the leads, in points."""
    rows = table(run, "tables/threshold.csv", model=model, metric=ACCURACY, split="validation")
    return signed((rows.dressed - rows.cut).mean())


def attributed(
    run: str,
    case: str,
    families: Iterable[str],
    network: str = "trained",
    baseline: str = "climatology",
) -> str:
    """Write the share of families of inputs in integrated gradients from a baseline, by lead."""
    rows = table(run, "tables/attribution_families.csv", case=case, network=network)
    rows = rows[(rows.method == "integrated") & (rows.baseline == baseline)]
    share = rows[rows.family.isin(families)].groupby("lead_time").share.sum()
    low, high = f"{share.min():.0f}", f"{share.max():.0f}"
    return f"{low} %" if low == high else f"{low} to {high} %"


def memory(source: str, variable: str = "siconc") -> str:
    """Write the autocorrelation of a variable after one month, in the twin or as observed."""
    rows = table("demo", "tables/twin_realism.csv", quantity=f"{variable}_memory", index=1)
    return f"{rows[source].item():.2f}"


def years(run: str) -> int:
    """Return how many years the test forecasts of a run are made in."""
    first, last = (int(date[:4]) for date in settings(run).samples.splits.test)
    return last - first + 1


def forecasts(run: str) -> int:
    """Return how many test forecasts of lead 1 a run has."""
    return table(run, model="icenet", metric=ACCURACY, split="test", lead_time=1).n.item()


def work(column: str, *, n_leads: int = 93, leads_as: str = "output") -> float:
    """Return the cost of one sample at 25 km, see `costs.leads_table`."""
    return costs.leads_table((432, 432), n_leads=n_leads).loc[leads_as, column]


def route(column: str) -> float:
    """Return a number of the example route with most ice."""
    return table("clients", "routes.csv").sort_values("most_ice").iloc[-1][column]


VALUES: dict[str, Callable[[], str]] = {
    # the observed Arctic, monthly
    "test": lambda: dates("nsidc_north"),
    "test-forecasts": lambda: str(forecasts("nsidc_north")),
    "test-years": lambda: word(years("nsidc_north")),
    "networks": lambda: word(len(settings("nsidc_north").forecast.seeds)),
    "share": lambda: f"{100 * settings('nsidc_north').forecast.blend_share:.0f} %",
    "blend-trees": lambda: mean_gain(ICENET, TREES),
    "blend-trees-range": lambda: span(gain(ICENET, TREES, ACCURACY)),
    "blend-trees-validation": lambda: mean_gain(ICENET, TREES, split="validation"),
    "blend-networks": lambda: mean_gain(ICENET, NETWORKS),
    "networks-trees": lambda: both_gains(NETWORKS, TREES),
    "rich-trees": lambda: both_gains(TREES, PLAIN_TREES),
    "rich-trees-brier": lambda: signed(gain(TREES, PLAIN_TREES, "brier").mean(), 4),
    "contest-trees": lambda: contest("nsidc_north", "trees"),
    "contest-first-guess": lambda: contest("nsidc_north", "first_guess"),
    "contest-damped": lambda: contest("nsidc_north", "damped_anomaly_persistence"),
    "contest-trees-brier": lambda: contest("nsidc_north", "trees", "brier", digits=4, unit=""),
    "contest-first-guess-brier": lambda: contest("nsidc_north", "first_guess", "brier", digits=4, unit=""),
    "worst-bin": lambda: worst_bin("nsidc_north", "icenet"),
    "worst-bin-networks": lambda: worst_bin("nsidc_north", "networks"),
    "worst-bin-trees": lambda: worst_bin("nsidc_north", "trees"),
    "threshold-damped": lambda: fitted_threshold("nsidc_north", "damped_anomaly_persistence"),
    "sst-2007": lambda: attributed("nsidc_north", "2007-09", ["sea temperature"]),
    "sst-2012": lambda: attributed("nsidc_north", "2012-09", ["sea temperature"]),
    "found-paper": lambda: attributed("nsidc_plain", "2007-09", FOUND),
    "found-paper-season": lambda: attributed("nsidc_plain", "2007-09", FOUND, baseline="other_month"),
    "season-paper": lambda: attributed("nsidc_plain", "2007-09", ["season"], baseline="other_month"),
    "found-correction": lambda: attributed("nsidc_north", "2007-09", FOUND),
    "found-untrained": lambda: attributed("nsidc_north", "2007-09", FOUND, "untrained"),
    # its variants
    "correction": lambda: both_gains(NETWORKS, PLAIN),
    "plain-width": lambda: f"{settings('nsidc_plain').training.filters_factor:g}",
    "plain-epochs": lambda: str(settings("nsidc_plain").training.epochs),
    "demo-grid": lambda: grid("demo"),
    "north-grid": lambda: grid("nsidc_north"),
    # ECMWF's September edge
    "edge-years": lambda: str(table("nsidc_edge", "tables/september_edge.csv", period="all").n.max()),
    "edge-networks": lambda: edge("networks"),
    "edge-ecmwf": lambda: edge("ecmwf_edge"),
    "edge-ecmwf-corrected": lambda: edge("ecmwf_edge_corrected"),
    "edge-icenet": lambda: edge("icenet"),
    "edge-trees": lambda: edge("trees"),
    # the other poles
    "blend-trees-south": lambda: mean_gain(("nsidc_south", "icenet"), ("nsidc_south", "trees")),
    "south-damped": lambda: ahead("nsidc_south", "damped_anomaly_persistence"),
    "south-trend": lambda: ahead("nsidc_south", "linear_trend"),
    "physics-north": lambda: ahead("demo", "seasonal"),
    "physics-south": lambda: ahead("twin_south", "seasonal"),
    "twin-memory": lambda: memory("twin"),
    "observed-memory": lambda: memory("observed"),
    # days
    "daily-grid": lambda: grid(DAILY),
    "daily-test": lambda: dates(DAILY),
    "daily-validation": lambda: dates(DAILY, "validation"),
    "daily-rmse": lambda: span(against_persistence(DAILY, "siconc_rmse").change, 1, " %"),
    "daily-rmse-behind": lambda: behind("siconc_rmse"),
    "daily-iiee": lambda: span(against_persistence(DAILY, "siconc_iiee").change, 1, " %"),
    "daily-iiee-behind": lambda: behind("siconc_iiee"),
    "contest-daily": lambda: contest(DAILY, DAMPED, "siconc_iiee", digits=3, unit=" million km²"),
    "contest-daily-rmse": lambda: contest(DAILY, DAMPED, "siconc_rmse", digits=4, unit=""),
    "daily-blocks": lambda: word(against_persistence(DAILY, "siconc_rmse").blocks.max()),
    "daily-brier": lambda: span(daily_brier(), 4),
    "daily-brier-behind": lambda: leads(daily_brier()[lambda more: more > 0].index, "day"),
    "daily-south-grid": lambda: grid(DAILY_SOUTH),
    "daily-south-test": lambda: dates(DAILY_SOUTH),
    "leads-work": lambda: f"{work('step', leads_as='input') / work('step'):.0f}",
    "leads-memory": lambda: f"{100 * work('memory', leads_as='input') / work('memory'):.0f} %",
    "leads-third": lambda: f"{100 * work('memory', n_leads=31) / work('memory'):.0f} %",
    "leads-third-work": lambda: f"{3 * work('step', n_leads=31) / work('step'):.1f}",
    # forecasts in real time
    "complete": lambda: f"{100 * known_at.COMPLETE:.0f} %",
    "route-ice": lambda: f"{route('km_in_ice'):.0f}",
    "route-most": lambda: f"{route('most_ice'):.0f} %",
    "route-slow": lambda: f"{route('slowest_km_h'):.1f}",
    "route-open": lambda: f"{table('clients', 'routes.csv').slowest_km_h.max():.1f}",
}
VALUE = re.compile(r"(?<!`)(<!--v ([\w-]+)-->)(.*?)(<!--/v-->)")


def pages() -> list[Path]:
    """Return the pages that may hold values."""
    root = paths.root()
    docs = [page for folder in (root / "docs", root / "docs" / "book") for page in folder.glob("*.md")]
    readers = (root / "docs" / "book" / "readers").glob("*.md")
    return [root / "README.md", root / "CONTRIBUTING.md", *sorted([*docs, *readers])]


def filled(text: str, page: str) -> str:
    """Return a page with every value as its table says it.

    page: its name, for errors. Raises DataError for an unknown key, a mark that is not closed on
    its line, and a value that begins a line, where Markdown takes the line as HTML.
    """
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{page}, line {number}"
        if re.match(r"\s*([-*>]\s+)?<!--v ", line):
            raise DataError(
                f"{where} begins with a value, so Markdown would not read the line: move a word before it"
            )
        bare = re.sub("`[^`]*`", "", line)
        if len(VALUE.findall(bare)) != bare.count("<!--v ") or bare.count("<!--v ") != bare.count(
            "<!--/v-->"
        ):
            raise DataError(f"{where}: write a value as `<!--v key-->0.04<!--/v-->`, on one line")
        for unknown in {key for _, key, _, _ in VALUE.findall(line)} - VALUES.keys():
            raise DataError(f"{where}: the value '{unknown}' has no expression in docs/build_values.py")
    return VALUE.sub(lambda mark: mark[1] + VALUES[mark[2]]() + mark[4], text)


def unused(texts: Iterable[str]) -> set[str]:
    """Return the keys that no text uses."""
    return VALUES.keys() - {key for text in texts for _, key, _, _ in VALUE.findall(text)}


def write() -> None:
    """Fill in all values of all pages. Raises DataError, also for keys that no page uses."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages()}
    if idle := unused(texts.values()):
        raise DataError(f"docs/build_values.py: no page uses {sorted(idle)}; take these lines out")
    made = {page: filled(text, page.name) for page, text in texts.items()}
    for page, text in made.items():
        page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
