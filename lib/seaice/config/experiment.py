"""Which settings does a page work with? Those that the runner passes, or else its run file's."""

from collections.abc import Mapping
from typing import Any

from seaice import paths
from seaice.config import runfile
from seaice.config.sections import SECTIONS
from seaice.config.values import Strict, checked
from seaice.errors import DataError, nearest
from seaice.grid import Grid


class Experiment:
    """A run as one page sees it: its name, and the sections of settings that the page declares.

    Each section is an attribute. A section that the page did not pass to `open` cannot be read. The
    runner would not know that the page depends on it, and would take the page for fresh after that
    section has changed.
    """

    def __init__(self, run: str, sections: Mapping[str, Strict]):
        self.run = run
        self._sections = dict(sections)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_sections", ()):
            return self._sections[name]
        if name in SECTIONS:
            raise DataError(
                f"run '{self.run}': this page declares no section '{name}'; write `{name} = None` in its "
                f"parameters cell, and pass {name}={name} to experiment.open"
            )
        raise AttributeError(f"an experiment has no '{name}'")

    @property
    def grid(self) -> Grid:
        """Return the grid of the run."""
        return self.data.grid


def open(run: str, **sections: Mapping[str, Any] | None) -> Experiment:
    """Return the run with the sections that a page works with.

    run: name of the run. sections: by name (see `sections.SECTIONS`), settings as the runner passes
    them to the page; None takes those of `params/<run>.yaml`.
    Raises DataError for an unknown section, a section that the run file lacks, and an invalid
    setting.
    """
    for name in sections:
        if name not in SECTIONS:
            raise DataError(f"experiment.open: there is no section '{name}'{nearest(name, SECTIONS)}")
    models = {
        name: checked(SECTIONS[name], values, within=name)
        for name, values in sections.items()
        if values is not None
    }
    missing = [name for name in sections if name not in models]
    if missing:
        file = runfile.load(paths.root() / "params" / f"{run}.yaml")
        models |= {name: file.section(name) for name in missing}
    return Experiment(run, models)
