"""What does a step of a run do? Its notebook declares its role, and what it reads and writes.

The declaration lies in the JSON metadata of the notebook:
`"seaice": {"role": "train", "reads": ["ready", "trees"], "writes": ["network"]}`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from seaice import paths
from seaice.config.runfile import Run, Step
from seaice.errors import DataError, nearest
from seaice.run import notebooks as run_notebooks, records as run_records

DECLARATION = "seaice"  # entry of a notebook's metadata
KEYS = {"role", "reads", "writes", "opens"}
ENTRIES = ("sources", "normals", "seasonal", "limit", "simulations")  # settings that name catalogue entries
ROLES = (
    *("catalogue", "prepare", "baselines", "pretrain", "train", "forecast"),
    *("evaluate", "uncertainty", "published", "importance", "attribution", "twin"),
    *("trajectories", "walk", "decisions"),
)
# Places in the data folder of a run, by the name of the function in `paths`.
FOLDERS = {
    "ready": paths.ready,
    "simulation": lambda run: paths.simulation(run, "-").parent,
    "pretrained": lambda run: paths.pretrained(run, "-").parent,
    "network": paths.networks,
    "forecast": paths.forecast,
    "trajectories": paths.trajectories,
    "generator": paths.generator,
    "baselines": paths.baselines,
    "trees": paths.trees,
    "classifiers": paths.classifiers,
    "importance": paths.importance,
    "attribution": paths.attribution,
    "decisions": paths.decisions,
    "walk": paths.walk,
}


@dataclass(frozen=True)
class Stage:
    """What a step does.

    role: one of `ROLES`. reads, writes: names in `FOLDERS`. opens: those settings of the section
    `data` whose catalogue entries the step opens itself.
    """

    role: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    opens: tuple[str, ...] = ()


def declared(notebook: Path) -> Stage:
    """Return what a notebook declares.

    Raises DataError, naming the notebook, if it declares nothing, or an unknown role or place.
    """
    content = run_notebooks.content(notebook).get("metadata", {}).get(DECLARATION)
    form = (
        f'write "{DECLARATION}": {{"role": ..., "reads": [...], "writes": [...], "opens": [...]}} '
        "into its metadata"
    )
    if not isinstance(content, dict) or not {"role", "reads", "writes"} <= set(content) <= KEYS:
        raise DataError(f"{notebook.name}: it declares {content or 'no role'}, and a step must; {form}")
    if content["role"] not in ROLES:
        hint = nearest(str(content["role"]), ROLES)
        raise DataError(
            f"{notebook.name}: its role {content['role']!r} is unknown{hint}; choose one of {list(ROLES)}"
        )
    opens = content.get("opens", [])
    for key, places, choices in (
        ("reads", content["reads"], tuple(FOLDERS)),
        ("writes", content["writes"], tuple(FOLDERS)),
        ("opens", opens, ENTRIES),
    ):
        for place in places:
            if place not in choices:
                hint = nearest(str(place), choices)
                raise DataError(
                    f"{notebook.name}: it {key} {place!r}, which is unknown{hint}; "
                    f"choose among {list(choices)}"
                )
    return Stage(content["role"], tuple(content["reads"]), tuple(content["writes"]), tuple(opens))


def step(run: Run, role: str) -> Step | None:
    """Return the run's first step of a role, or None. Raises DataError as `declared` does."""
    for candidate in run.steps:
        if declared(paths.notebook(candidate.notebook)).role == role:
            return candidate
    return None


def complaints(stage: Stage, run: str, written: Iterable[str], *, expected: Iterable[str]) -> list[str]:
    """Return what is wrong with the declaration of an executed step; nothing if it is true.

    written: labels (`run.records.label`) of the files that the step wrote. expected: names of the
    declared places that this run must fill.
    """
    labels = {run_records.label(FOLDERS[place](run), run) for place in stage.writes}
    faults = [
        f"wrote {output}, which it does not declare; add its place to `writes` in its metadata, "
        f"one of {list(FOLDERS)}"
        for output in written
        if output.startswith("data/")
        and not any(output == label or output.startswith(f"{label}/") for label in labels)
    ]
    for place in expected:
        if not FOLDERS[place](run).exists():
            label = run_records.label(FOLDERS[place](run), run)
            faults.append(
                f"declares that it writes '{place}', but left no {label}; correct `writes` in its metadata"
            )
    return faults
