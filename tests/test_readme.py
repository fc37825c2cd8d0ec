"""The README's results are those of the tracked tables; `python tests/test_readme.py` writes them into it anew."""

import re
import subprocess

import pandas as pd
import pytest

from seaice import figures, paths
from seaice.verify import OWN_PAIRS

README = paths.root() / "README.md"
RUNS = {"demo": "Simulated Arctic (`demo`)", "nsidc_north": "Observed Arctic (`nsidc_north`)"}
BLOCK = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- /results -->)", re.DOTALL)


def results() -> str:
    """Markdown tables of binary accuracy by model and lead, one a tracked run, best model of a lead in bold."""
    parts = []
    for run, title in RUNS.items():
        skill = pd.read_csv(paths.root() / "results" / run / "tables" / "skill.csv")
        skill = skill[(skill.split == "test") & (skill.region == "all") & (skill.month == "all")]
        skill = skill[(skill.metric == "binary_accuracy") & ~skill.model.isin(OWN_PAIRS)]
        table = skill.pivot(index="model", columns="lead_time", values="value").round(1)
        table = table.loc[[m for m in figures.MODELS if m in table.index]]
        best = table.max()
        head = f"| {title} | " + " | ".join(map(str, table.columns)) + " |"
        lines = [head, "|---" * (table.shape[1] + 1) + "|"]
        for model, row in table.iterrows():
            cells = (f"**{v}**" if v == best[lead] else f"{v}" for lead, v in row.items())
            lines.append(f"| {figures.MODELS[model][0]} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def test_results_are_those_of_the_tables():
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "results"], cwd=README.parent, check=False)
    if changed.returncode:
        pytest.skip("the tables in results/ are not those that are tracked: another machine's figures, or a new run's")
    assert BLOCK.search(README.read_text(encoding="utf-8")).group() == results()


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: results(), README.read_text(encoding="utf-8")), encoding="utf-8")
