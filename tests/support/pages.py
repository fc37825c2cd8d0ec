"""A run whose pages are executed in this process: all that the runner does but kernels, each of which imports TensorFlow anew.

`tests/pages` and `chains/test_runner_kernels` start kernels. A chain that asks what pages and modules make needs none.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from papermill.engines import Engine, NBClientEngine, papermill_engines

from seaice.baselines import trees
from seaice.run import runner

ALONE = ("cluster.workers=1", "cluster.threads_per_worker=1")  # the runner itself is the worker


class Here(Engine):
    """Papermill's engine for pages whose cells are executed one after another in this process, where nothing is shown."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **_):
        """Execute the cells of a page, which has names of its own. An error of a cell is raised as it is."""
        names = {"__name__": "__main__", "display": lambda *_: None}
        for number, cell in enumerate(nb_man.nb.cells):
            if cell.cell_type == "code":
                nb_man.cell_start(cell, number)
                exec(compile(cell.source, f"<cell {number}>", "exec"), names)
                nb_man.cell_complete(cell, number)


def run(project: Path, name: str, *, until: str | None = None, settings: Sequence[str] = ()) -> None:
    """Execute a run of a project in this process, with results and cache of its own, and with few trees.

    until: last step. settings: `section.key=value` in place of those of the run file.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        for variable in ("SEAICE_CACHE", "SEAICE_RESULTS"):
            patch.delenv(variable, raising=False)
        patch.setitem(trees.SETTINGS, "max_iter", 5)
        papermill_engines.register(None, Here)
        try:
            runner.run(
                project / "params" / f"{name}.yaml", until=until, overrides=[*settings, *ALONE], say=print
            )
        finally:
            papermill_engines.register(None, NBClientEngine)
