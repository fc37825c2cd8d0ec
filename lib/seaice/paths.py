"""Where do files lie? This is the only module that computes paths."""

import os
from pathlib import Path

FIRST_GENERATION = "generation_0"  # the networks that a run's own step trains


def root() -> Path:
    """Return the project folder: the nearest folder, going upwards, that holds `catalog.yml`.

    The search starts in the working directory, so that a copy of the project is used from inside
    itself. If that fails, it starts where this package was installed from.
    Raises FileNotFoundError if neither lies in a project.
    """
    starts = (Path.cwd(), Path(__file__).resolve().parent)
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "catalog.yml").is_file():
                return folder
    raise FileNotFoundError(
        f"no catalog.yml at or above {starts[0]}: change into the project folder, "
        "or install the package with `pip install -e .`"
    )


def notebook(name: str) -> Path:
    """Return the path of a notebook of the project."""
    return root() / "notebooks" / f"{name}.ipynb"


def data() -> Path:
    """Return the folder of everything that can be made again (not tracked).

    `SEAICE_CACHE` moves it.
    """
    return Path(os.environ.get("SEAICE_CACHE") or root() / "data")


def cache() -> Path:
    """Return the folder of downloads and generated twin data.

    All runs share it; its files are named by their content.
    """
    return data() / "cache"


def results(run: str) -> Path:
    """Return the folder of the results of a run.

    `SEAICE_RESULTS` moves the parent folder; tests use it.
    """
    return Path(os.environ.get("SEAICE_RESULTS") or root() / "results") / run


def bundles() -> Path:
    """Return the folder of the bundles that this project comes with."""
    return results("bundles")


def figures(run: str) -> Path:
    """Return the folder of a run's figures."""
    return results(run) / "figures"


def tables(run: str) -> Path:
    """Return the folder of a run's tables."""
    return results(run) / "tables"


def executed(run: str) -> Path:
    """Return the folder of a run's executed notebooks."""
    return results(run) / "notebooks"


def ready(run: str) -> Path:
    """Return the path of the analysis-ready Zarr store of a run."""
    return data() / run / "ready.zarr"


def simulation(run: str, name: str) -> Path:
    """Return the path of the analysis-ready Zarr store of one member of a climate simulation.

    name: `<entry>_<member>`.
    """
    return data() / run / "simulations" / f"{name}.zarr"


def networks(run: str) -> Path:
    """Return the folder of all generations of a run's networks."""
    return data() / run / "networks"


def network(run: str, seed: int, generation: str = FIRST_GENERATION) -> Path:
    """Return the folder of one trained network of a generation.

    generation: by default the one that the runner trains.
    """
    return networks(run) / generation / f"seed_{seed}"


def pretrained(run: str, seed: int) -> Path:
    """Return the folder of one ensemble member, trained on climate simulations only."""
    return data() / run / "pretrained" / f"seed_{seed}"


def forecast(run: str) -> Path:
    """Return the path of a run's ensemble forecast (CF Zarr)."""
    return data() / run / "forecast.zarr"


def trajectories(run: str) -> Path:
    """Return the path of a run's ensembles of possible ice (CF Zarr)."""
    return data() / run / "trajectories.zarr"


def generator(run: str) -> Path:
    """Return the folder of the network that draws a run's ensembles of possible ice."""
    return data() / run / "generator"


def baselines(run: str) -> Path:
    """Return the path of a run's baseline forecasts (CF Zarr)."""
    return data() / run / "baselines.zarr"


def trees(run: str) -> Path:
    """Return the path of the forecasts of the boosted trees (CF Zarr).

    Those of the training split are out of fold: made by trees that were fitted without these years.
    """
    return data() / run / "trees.zarr"


def classifiers(run: str) -> Path:
    """Return the folder that keeps the boosted trees of a run as they were fitted."""
    return data() / run / "classifiers"


def importance(run: str) -> Path:
    """Return the folder of the effects that permuting inputs has on a run's forecasts.

    Each permutation has a file of its own.
    """
    return data() / run / "importance"


def attribution(run: str) -> Path:
    """Return the path of a run's gradient attributions (CF Zarr)."""
    return data() / run / "attribution.zarr"


def decisions(run: str) -> Path:
    """Return the folder of the dates and risks of the newest forecast that a run judges."""
    return data() / run / "decisions"


def alerts(run: str) -> Path:
    """Return the folder of what was told to those who watch a run's forecast products."""
    return data() / run / "alerts"


def walk(run: str) -> Path:
    """Return the folder of what a walk through a run's record keeps.

    These are forecasts and weights of each year.
    """
    return data() / run / "walk"


def records(run: str) -> Path:
    """Return the folder of the runner's records, one JSON file for each step or member."""
    return data() / run / "records"
