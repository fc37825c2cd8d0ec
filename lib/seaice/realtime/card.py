"""What must somebody know who uses the networks of a bundle? Its model card."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

METRICS = {"binary_accuracy": "binary accuracy, %", "brier": "Brier score", "iiee": "IIEE, million km²"}
MODELS = ("icenet", "climatology", "damped_anomaly_persistence", "trees")


CARD = """# {name}, version {version}

{description} {networks} networks forecast the sea ice of the {pole} up
to {n_leads} months ahead, on a grid of {km:g} km.

## Data

| variable | entry | what | DOI | licence |
|---|---|---|---|---|
{record}

Climatologies and scaling are fitted to {fit_start} to {fit_end}.

## Splits, by initialisation

| split | months |
|---|---|
{splits}

## Scores in the test years

{scores}

## Limits

- The scores are those of the run, on its own record. On another record of sea ice the networks were
  not scored. A forecast says how the two records differ, and is refused where they differ much.
- Weights are rounded to float16. At {inits} initialisations of the validation years this changes
  the ice probability of a network by at most {most:.4f}, on average by {mean:.6f}.
- Straits and the ice along coasts are finer than the grid. This is no chart to navigate by.
- A new sensor may shift the ice; the networks would take that for weather.

## Licence and checksums

Weights and code: MIT. The data keep the licences above.

{checksums}
"""


def scores(file: Path) -> list[dict]:
    """Return the rows of a run's headline that a card shows: test split, `METRICS`, `MODELS`.

    Empty if there is no such file.
    """
    if not file.is_file():
        return []
    table = pd.read_csv(file)
    chosen = (table["split"] == "test") & table["metric"].isin(METRICS) & table["model"].isin(MODELS)
    return table[chosen][["model", "lead_time", "metric", "value", "low", "high", "n"]].to_dict("records")


def text(about: Mapping) -> str:
    """Return the model card of a bundle as Markdown. about: content of its `bundle.json`."""
    settings, data = about["settings"], about["settings"]["data"]
    record = [
        f"| {name} | {s['entry']} | {s['description']} | {s['doi']} | {s['licence']} |"
        for name, s in about["record"].items()
    ]
    splits = [f"| {n} | {first} to {last} |" for n, (first, last) in settings["samples"]["splits"].items()]
    return CARD.format(
        **{name: about[name] for name in ("name", "version", "description")},
        networks=len(about["networks"]),
        pole="Arctic" if data["hemisphere"] == "north" else "Antarctic",
        n_leads=settings["samples"]["n_leads"],
        km=data["resolution_km"],
        record="\n".join(record),
        splits="\n".join(splits),
        scores="\n".join(_table(about["scores"])),
        checksums="\n".join(f"- `{name}`: sha256 {sha}" for name, sha in about["files"].items()),
        **about["fit"],
        **about["rounding"],
    )


def _table(rows: list[dict]) -> list[str]:
    """Return the lines of one table of scores for each metric, with 95 % intervals."""
    if not rows:
        return ["The run has no scores in its results."]
    table, lines = pd.DataFrame(rows), []
    for metric, title in METRICS.items():
        part = table[table["metric"] == metric]
        if part.empty:
            continue
        leads = sorted(part["lead_time"].unique())
        lines += [f"{title}, with 95 % intervals over the test years, by lead in months:", ""]
        lines += [f"| model | {' | '.join(map(str, leads))} |", f"|---|{'---|' * len(leads)}"]
        for model in MODELS:
            own = part[part["model"] == model].set_index("lead_time")
            if not own.empty:
                cells = [
                    f"{own.value[k]:.3g} ({own.low[k]:.3g} to {own.high[k]:.3g})" if k in own.index else ""
                    for k in leads
                ]
                lines.append(f"| {model} | {' | '.join(cells)} |")
        lines.append("")
    return lines[:-1]
