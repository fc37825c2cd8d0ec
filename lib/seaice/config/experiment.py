"""Which settings does a page work with? Those that the runner hands it, or else those of its run file."""

from collections.abc import Mapping
from typing import Any

from seaice import paths
from seaice.config import runfile
from seaice.config.sections import SECTIONS, Section
from seaice.config.settings import checked
from seaice.errors import DataError, nearest
from seaice.grid import Grid


class Experiment:
    """A run as one page sees it: its name, and as attributes the sections of settings that the page declares.

    A section that the page did not hand to `open` can't be read: the runner would not know that the
    page depends on it, and would take the page for fresh when that section changes.
    """

    def __init__(self, run: str, sections: Mapping[str, Section]):
        self.run = run
        self._sections = dict(sections)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_sections", ()):
            return self._sections[name]
        if name in SECTIONS:
            raise DataError(
                f"run '{self.run}': this page declares no section '{name}'; write `{name} = None` in its parameters "
                f"cell, and hand {name}={name} to experiment.open"
            )
        raise AttributeError(f"an experiment has no '{name}'")

    @property
    def grid(self) -> Grid:
        """The grid of the run."""
        return self.data.grid


def open(run: str, **sections: Mapping[str, Any] | None) -> Experiment:
    """Return the run with the sections that a page works with.

    run: name of the run. sections: by name (see `sections.SECTIONS`), settings as the runner hands
    them to the page; None for those of `params/<run>.yaml`. Raises DataError for a section that
    there is not, that the run file lacks, or with a setting that can't be.
    """
    for name in sections:
        if name not in SECTIONS:
            raise DataError(f"experiment.open: there is no section '{name}'{nearest(name, SECTIONS)}")
    missing = [name for name, values in sections.items() if values is None]
    file = runfile.load(paths.root() / "params" / f"{run}.yaml") if missing else None
    return Experiment(
        run,
        {
            name: file.section(name) if values is None else checked(SECTIONS[name], values, within=name)
            for name, values in sections.items()
        },
    )
