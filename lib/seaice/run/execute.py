"""How is one notebook executed? Papermill in a kernel of its own, then a clean copy and a record, or neither."""

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from traitlets.config import Config

from seaice import paths
from seaice.fingerprint import digest
from seaice.run import records as run_records
from seaice.run.memory import Memory

KERNEL = "python3"  # the kernel of this environment, whichever name a notebook was last saved with
START_TIMEOUT = 300  # s, for a kernel on a busy machine
# A kernel left behind would go on writing beside the one that repeats its work. ipykernel looks once a second whether
# its parent lives, but misses a parent that died while it started; on Linux the system kills it at once (1: PR_SET_PDEATHSIG).
_DIE_WITH_PARENT = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(os.environ['JPY_PARENT_PID']): os._exit(1)\n"
)
# What libraries written in C say on stderr (TensorFlow: of every start, with process numbers) goes to a log beside the record,
# not into the executed notebook and the runner's own lines; Python's warnings and errors stay in the notebook.
_LOG_BESIDE_RECORD = (
    "os.dup2(os.open(os.environ['SEAICE_KERNEL_LOG'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)\n"
)
# Only critical messages: a kernel reports the interrupt that ends it as an error, beside the runner's own lines.
_KERNEL_ARGUMENTS = [
    "--log-level=50",
    f"--IPKernelApp.exec_lines=exec({_DIE_WITH_PARENT + _LOG_BESIDE_RECORD!r}, {{}})",
]
_ENCRYPTED = Config(
    KernelManager={"transport_encryption": "auto"}
)  # others on the machine must not read along
_UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")  # ids in the HTML of xarray and Dask
_NOISE = ((re.compile(r"/\S*/ipykernel_\d+/\d+\.py"), "<cell>"), (re.compile(r"\b0x[0-9a-f]{6,}\b"), "0x0"))


class StepFailed(Exception):
    """A notebook that did not run to its end; the message names notebook, cell, exception, parameters and where to look."""


@dataclass(frozen=True)
class Job:
    """One execution of one notebook: all that a worker on another machine needs to know.

    name: of the executed notebook. parts: of its key. tag: how the files of this member are told apart, None for a step alone.
    pages: executed notebook to link to, by the notebook's name, for notebooks that are executed once a member.
    attempt: tells this job from an earlier one of the same name, so that a second try knows what its first finished.
    """

    run: str
    name: str
    notebook: str
    parameters: dict[str, Any]
    parts: dict[str, dict]
    tag: str | None
    environment: dict[str, str]
    root: str
    pages: Mapping[str, str] = field(default_factory=dict)
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)


KEPT = 2**26  # bytes of freed memory that a process keeps, and the smallest array that it gives back at once


def environment(threads: int) -> dict[str, str]:
    """Variables that every kernel gets, so that the same notebook gives the same bits, and where the project's folders are.

    On glibc freed memory is kept for the next array: given back at every turn, as is the default and more so on a worker of Dask, it is
    zeroed page by page each time, which took arrays of some MB half of their time.
    """
    fixed = {"PYTHONHASHSEED": "0", "TF_DETERMINISTIC_OPS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    pools = ("OMP", "OPENBLAS", "MKL")
    fixed |= {f"{pool}_NUM_THREADS": str(threads) for pool in pools} | {
        "TF_NUM_INTRAOP_THREADS": str(threads)
    }
    fixed |= {f"MALLOC_{what}_THRESHOLD_": str(KEPT) for what in ("MMAP", "TRIM")}
    return fixed | {name: value for name, value in os.environ.items() if name.startswith("SEAICE_")}


def execute(job: Job, *, progress_bar: bool = False) -> dict:
    """Execute a job's notebook and return its record; what a first try finished, another does not repeat.

    The executed notebook appears under its name only when it ran to its end, the record after that.
    Raises StepFailed, the notebook as far as it came being kept as `<name>.failed.ipynb`.
    """
    import papermill  # here, not above: it takes a second, which a dry run can spare

    previous = run_records.read(job.run, job.name)
    if previous and previous["attempt"] == job.attempt:
        return previous
    folder = paths.executed(job.run)
    folder.mkdir(parents=True, exist_ok=True)
    running, final = folder / f".{job.name}.ipynb", folder / f"{job.name}.ipynb"
    failed = folder / f"{job.name}.failed.ipynb"
    started, clock, before = run_records.now(), time.monotonic(), run_records.scan(job.run)
    try:
        log = {"SEAICE_KERNEL_LOG": str(paths.records(job.run) / f"{job.name}.log")}
        with _variables(job.environment | log), Memory() as memory:
            papermill.execute_notebook(
                Path(job.root, "notebooks", f"{job.notebook}.ipynb"),
                running,
                job.parameters,
                kernel_name=KERNEL,
                language="python",
                cwd=job.root,
                start_timeout=START_TIMEOUT,
                progress_bar=progress_bar,
                record_timing=False,
                coalesce_streams=True,
                config=_ENCRYPTED,
                extra_arguments=list(_KERNEL_ARGUMENTS),
            )
    except (
        papermill.PapermillExecutionError,
        RuntimeError,
    ) as error:  # the second: its kernel died, or did not start
        message = _message(job, error, running, failed)
        _clean(running, job.root)
        os.replace(running, failed)
        raise StepFailed(message) from None
    _clean(running, job.root, job.pages)
    os.replace(running, final)
    failed.unlink(missing_ok=True)
    key = digest(job.parts)
    outputs = {name for name in run_records.changed(before, run_records.scan(job.run)) if owns(job.tag, name)}
    outputs |= {name for name in _kept(previous, key) if run_records.place(name).exists()}
    content = {
        "key": key,
        "attempt": job.attempt,
        "parts": job.parts,
        "run": job.run,
        "step": job.notebook,
        "parameters": job.parameters,
        "start": started,
        "end": run_records.now(),
        "seconds": round(time.monotonic() - clock, 2),
        "peak_memory_bytes": memory.peak,
        "environment": {k: v for k, v in job.environment.items() if not k.startswith("SEAICE_")},
        "outputs": {
            name: run_records.checksum(name) for name in sorted({run_records.label(final, job.run), *outputs})
        },
        **run_records.surroundings(job.parts["package"]),
    }
    return run_records.write(job.run, job.name, content)


def _kept(previous: Mapping | None, key: str) -> set[str]:
    """Outputs of the last execution that this one may have found whole and left alone, as training does with a network."""
    if previous is None:
        return set()
    return {name for name in previous["outputs"] if name.startswith("data/") or key == previous["key"]}


def owns(tag: str | None, name: str) -> bool:
    """Whether the output `name` is a member's: its path holds the tag (`seed_36`) as a word; a step alone owns all."""
    return (
        tag is None or re.search(rf"(?<![0-9A-Za-z]){re.escape(tag)}(?![0-9A-Za-z]|\.\d)", name) is not None
    )


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the kernels started inside: they inherit this process's."""
    old = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    logging.getLogger("papermill").setLevel("ERROR")
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _message(job: Job, error: Exception, running: Path, failed: Path) -> str:
    import nbformat
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    cells = nbformat.read(running, as_version=4).cells
    if isinstance(error, PapermillExecutionError):
        number, what = error.exec_count, f"{error.ename}: {error.evalue}".strip()
        source = error.source
    else:
        begun = [cell for cell in cells if cell.cell_type == "code" and cell.metadata.papermill.start_time]
        number, source = len(begun), begun[-1].source if begun else ""
        what = (
            "its kernel died (killed from outside, or out of memory?)"
            if isinstance(error, DeadKernelError)
            else str(error)
        )
    first_line = source.strip().partition("\n")[0]
    where = failed.relative_to(job.root) if failed.is_relative_to(job.root) else failed
    return (
        f"{job.notebook}.ipynb failed in cell In [{number}], `{first_line}`\n"
        f"  {what}\n"
        f"  parameters: {', '.join(f'{k}={v!r}' for k, v in job.parameters.items())}\n"
        f"  as far as it came: {where}"
    )


def _clean(file: Path, root: str, pages: Mapping[str, str] | None = None) -> None:
    """Take out what differs between two runs or machines: timings, paths, addresses, random ids.

    pages: as for `Job`; links between notebooks are turned to links between the executed ones.
    """
    import nbformat  # here, not above: see `execute`

    notebook = nbformat.read(file, as_version=4)
    notebook.metadata.pop("papermill", None)
    homes = {
        str(paths.data()): "data",
        str(paths.results("x").parent): "results",
        root: ".",
        sys.prefix: "<environment>",
    }
    seen: dict[str, str] = {}

    def tidy(value: Any) -> Any:
        if isinstance(value, dict):
            return nbformat.from_dict({k: v if k.startswith("image/") else tidy(v) for k, v in value.items()})
        if isinstance(value, list):
            return [tidy(v) for v in value]
        if not isinstance(value, str):
            return value
        for home in sorted(homes, key=len, reverse=True):
            value = value.replace(home, homes[home])
        for pattern, plain in _NOISE:
            value = pattern.sub(plain, value)
        return _UUID.sub(lambda m: seen.setdefault(m[0], f"00000000-0000-0000-0000-{len(seen):012d}"), value)

    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = f"injected-{number}"
        if cell.cell_type == "markdown":
            for name, page in (pages or {}).items():
                cell.source = cell.source.replace(f"]({name}.ipynb", f"]({page}.ipynb")
        if cell.cell_type == "code":
            cell.outputs = [tidy(output) for output in cell.outputs]
    nbformat.write(notebook, file)
