"""Where things lie: the only module that computes paths."""

import os
from pathlib import Path

FIRST_GENERATION = "generation_0"  # of a run's networks, trained by its own step


def root() -> Path:
    """Return the project folder: the nearest folder at or above here that holds `catalog.yml`.

    The working directory is asked first, so that a copy of the project is used from inside itself;
    then the place this package was installed from.

    Raises FileNotFoundError when neither lies in a project.
    """
    starts = (Path.cwd(), Path(__file__).resolve().parent)
    for start in starts:
        for folder in (start, *start.parents):
            if (folder / "catalog.yml").is_file():
                return folder
    raise FileNotFoundError(
        f"no catalog.yml at or above {starts[0]}: change into the project folder, or install the package with `pip install -e .`"
    )


def notebook(name: str) -> Path:
    """File of a notebook of the project."""
    return root() / "notebooks" / f"{name}.ipynb"


def data() -> Path:
    """Folder of everything that can be made again (never tracked); `SEAICE_CACHE` moves it."""
    return Path(os.environ.get("SEAICE_CACHE") or root() / "data")


def cache() -> Path:
    """Folder of downloads and generated twin data, keyed by content, shared by all runs."""
    return data() / "cache"


def results(run: str) -> Path:
    """Folder of all that comes out of a run; `SEAICE_RESULTS` moves the parent (tests use it)."""
    return Path(os.environ.get("SEAICE_RESULTS") or root() / "results") / run


def figures(run: str) -> Path:
    """Folder of a run's figures."""
    return results(run) / "figures"


def tables(run: str) -> Path:
    """Folder of a run's tables."""
    return results(run) / "tables"


def executed(run: str) -> Path:
    """Folder of a run's executed notebooks."""
    return results(run) / "notebooks"


def ready(run: str) -> Path:
    """Analysis-ready Zarr store of a run."""
    return data() / run / "ready.zarr"


def simulation(run: str, name: str) -> Path:
    """Analysis-ready Zarr store of one member of a climate simulation, `name` being `<entry>_<member>`."""
    return data() / run / "simulations" / f"{name}.zarr"


def networks(run: str) -> Path:
    """Folder of all generations of a run's networks."""
    return data() / run / "networks"


def network(run: str, seed: int, generation: str = FIRST_GENERATION) -> Path:
    """Folder of one trained network of a generation, by default of the one that the runner trains."""
    return networks(run) / generation / f"seed_{seed}"


def pretrained(run: str, seed: int) -> Path:
    """Folder of one ensemble member as trained on climate simulations."""
    return data() / run / "pretrained" / f"seed_{seed}"


def forecast(run: str) -> Path:
    """Ensemble forecast (CF Zarr) of a run."""
    return data() / run / "forecast.zarr"


def baselines(run: str) -> Path:
    """Baseline forecasts (CF Zarr) of a run."""
    return data() / run / "baselines.zarr"


def trees(run: str) -> Path:
    """Forecasts of the boosted trees (CF Zarr), those of the training split out of fold."""
    return data() / run / "trees.zarr"


def importance(run: str) -> Path:
    """Folder of what the permutation of inputs does to a run's forecasts, kept by permutation."""
    return data() / run / "importance"


def attribution(run: str) -> Path:
    """Gradient attributions (CF Zarr) of a run."""
    return data() / run / "attribution.zarr"


def records(run: str) -> Path:
    """Folder of the runner's records, one JSON a step."""
    return data() / run / "records"
