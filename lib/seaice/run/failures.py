"""What is said about a notebook that failed?"""

from pathlib import Path
from typing import Any

from seaice import paths
from seaice.run import records as run_records

# Errors of a cell that say nothing more where memory ran out. The last stands for a cell whose
# error could not even be sent.
SILENT = ("MemoryError", "CellExecutionError")
ROOM = "Close other programs, or write `cluster: {workers: 1}` or a coarser `resolution_km` into the run file"


def message(job: Any, error: Exception, running: Path, failed: Path) -> str:
    """Return what to say: notebook, cell, exception, parameters, and where to look.

    job: the `execute.Job`. error: what Papermill or the kernel raised. running: the notebook as far
    as it came. failed: where it is kept.
    """
    import nbformat
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    cells = nbformat.read(running, as_version=4).cells
    if isinstance(error, PapermillExecutionError):
        number, source = error.exec_count, error.source
        what = f"{error.ename}: {error.evalue}".strip()
        if not error.evalue and error.ename in SILENT:
            messages = run_records.label(paths.records(job.run) / f"{job.name}.log", job.run)
            what = (
                f"{error.ename}: it stopped without a message, as a step does that lacks memory. {ROOM}; "
                f"what its libraries wrote: {messages}"
            )
    else:
        begun = [cell for cell in cells if cell.cell_type == "code" and cell.metadata.papermill.start_time]
        number, source = len(begun), begun[-1].source if begun else ""
        what = str(error)
        if isinstance(error, DeadKernelError):
            what = f"its kernel died: killed from outside, or out of memory? {ROOM}"
    first_line = source.strip().partition("\n")[0]
    where = failed.relative_to(job.root) if failed.is_relative_to(job.root) else failed
    return (
        f"{job.notebook}.ipynb failed in cell In [{number}], `{first_line}`\n"
        f"  {what}\n"
        f"  parameters: {', '.join(f'{k}={v!r}' for k, v in job.parameters.items())}\n"
        f"  as far as it came: {where}"
    )
