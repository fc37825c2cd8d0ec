"""How is one notebook executed? Papermill runs it in a kernel of its own.

Either a clean copy of the notebook and a record appear, or neither.
"""

import logging
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from traitlets.config import Config

from seaice import paths
from seaice.fingerprint import digest
from seaice.run import failures, records as run_records
from seaice.run.clean import clean
from seaice.run.memory import Memory

KERNEL = "python3"  # the kernel of this environment, whatever name a notebook was last saved with
START_TIMEOUT = 300  # s, for a kernel on a busy machine
# A kernel must end with its parent. Otherwise it would go on writing beside the kernel that repeats
# its work. ipykernel checks once a second whether its parent lives, but misses a parent that died
# while the kernel started. On Linux the system kills it at once (1 is PR_SET_PDEATHSIG).
DIE_WITH_PARENT = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(os.environ['JPY_PARENT_PID']): os._exit(1)\n"
)
# Libraries written in C write to stderr; TensorFlow does so at every start, with process numbers.
# These messages go to a log beside the record, not into the executed notebook or the runner's own
# lines. Python's warnings and errors stay in the notebook.
_LOG_BESIDE_RECORD = (
    "os.dup2(os.open(os.environ['SEAICE_KERNEL_LOG'], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)\n"
)
# The kernel logs critical messages only. It would report the interrupt that ends it as an error,
# among the runner's own lines.
_KERNEL_ARGUMENTS = [
    "--log-level=50",
    f"--IPKernelApp.exec_lines=exec({DIE_WITH_PARENT + _LOG_BESIDE_RECORD!r}, {{}})",
]
# What Papermill and its schema checker load if it is there: clouds, and a grammar of addresses. No
# notebook here needs them. Without them the import takes less time and memory.
_NOT_NEEDED = ("gcsfs", "pyarrow.fs", "rfc3987_syntax")
# Other users of the machine must not be able to read the messages between runner and kernel.
_ENCRYPTED = Config(KernelManager={"transport_encryption": "auto"})


class StepFailed(Exception):
    """A notebook did not run to its end.

    The message names the notebook, cell, exception, parameters and where to look.
    """


@dataclass(frozen=True)
class Job:
    """One execution of one notebook, with all that a worker on another machine needs to know.

    run: name of the run. name: of the executed notebook. notebook: name of the notebook. parts:
    what the key of the execution is computed from. tags: for each member, the text in the names of
    its files that tells them apart from others; none for a step without members. environment:
    variables for the kernel.
    root: the project folder. pages: for each notebook that is executed once per member, the
    executed notebook that links lead to. attempt: random text that tells this job apart from an
    earlier one of the same name, so that a second try knows what its first try finished.
    """

    run: str
    name: str
    notebook: str
    parameters: dict[str, Any]
    parts: dict[str, dict]
    tags: tuple[str, ...]
    environment: dict[str, str]
    root: str
    pages: Mapping[str, str] = field(default_factory=dict)
    attempt: str = field(default_factory=lambda: uuid.uuid4().hex)


# Bytes. A process keeps up to this much freed memory, and returns larger arrays at once.
KEPT = 2**26
# Pools that the threads of a process take memory from. What one pool keeps another can't use: with
# one for each thread, trainings side by side need more.
ARENAS = 2


def environment(threads: int) -> dict[str, str]:
    """Return the environment variables of every kernel.

    They make the same notebook give the same bits, and say where the project's folders are.
    threads: number of threads of each kind that the kernel may use.
    On glibc, freed memory is kept for the next array. By default it would be returned to the system
    every time, even more often on a Dask worker, and zeroed page by page when it is used again. For
    arrays of some MB this took half of the computing time.
    """
    fixed = {"PYTHONHASHSEED": "0", "TF_DETERMINISTIC_OPS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    pools = ("OMP", "OPENBLAS", "MKL")
    fixed |= {f"{pool}_NUM_THREADS": str(threads) for pool in pools} | {
        "TF_NUM_INTRAOP_THREADS": str(threads)
    }
    fixed |= {f"MALLOC_{what}_THRESHOLD_": str(KEPT) for what in ("MMAP", "TRIM")}
    fixed |= {"MALLOC_ARENA_MAX": str(ARENAS)}
    return fixed | {name: value for name, value in os.environ.items() if name.startswith("SEAICE_")}


def execute(job: Job, *, progress_bar: bool = False) -> dict:
    """Execute a job's notebook and return its record.

    If a first try of the same job has finished, return its record and execute nothing.
    The executed notebook appears under its name only if it ran to its end; the record is written
    after that. Raises StepFailed if it did not; then the notebook, as far as it ran, is kept as
    `<name>.failed.ipynb`.
    """
    papermill = _papermill()
    previous = run_records.read(job.run, job.name)
    if previous and previous["attempt"] == job.attempt:
        return previous
    folder = paths.executed(job.run)
    folder.mkdir(parents=True, exist_ok=True)
    running, final = folder / f".{job.name}.ipynb", folder / f"{job.name}.ipynb"
    failed = folder / f"{job.name}.failed.ipynb"
    started, clock, before = run_records.now(), time.monotonic(), run_records.scan(job.run)
    try:
        peak_memory = _run_papermill(job, running, progress_bar=progress_bar)
    # RuntimeError: the kernel died, or did not start.
    except (papermill.PapermillExecutionError, RuntimeError) as error:
        message = failures.message(job, error, running, failed)
        clean(running, job.root)
        os.replace(running, failed)
        raise StepFailed(message) from None
    clean(running, job.root, job.pages)
    os.replace(running, final)
    failed.unlink(missing_ok=True)
    key = digest(job.parts)
    labels = _outputs(job, before, _kept(previous, key)) | {run_records.label(final, job.run)}
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
        "peak_memory_bytes": peak_memory,
        "environment": {k: v for k, v in job.environment.items() if not k.startswith("SEAICE_")},
        "outputs": {label: run_records.checksum(label) for label in sorted(labels)},
        **run_records.surroundings(job.parts["package"]),
    }
    return run_records.write(job.run, job.name, content)


def _papermill() -> ModuleType:
    """Return Papermill, imported without what is `_NOT_NEEDED`."""
    left_out = [name for name in _NOT_NEEDED if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # to an import, as if not installed
    try:
        import papermill  # imported here because a dry run does not need it
    finally:
        for name in left_out:
            del sys.modules[name]
    return papermill


def _run_papermill(job: Job, running: Path, *, progress_bar: bool) -> int:
    """Execute a job's notebook into the file `running`; return the peak memory in bytes.

    Raises PapermillExecutionError for a cell that fails, RuntimeError for a kernel that dies.
    """
    log = {"SEAICE_KERNEL_LOG": str(paths.records(job.run) / f"{job.name}.log")}
    with _variables(job.environment | log), Memory() as memory:
        _papermill().execute_notebook(
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
            kernel_manager_class=own_kernel(),
            extra_arguments=list(_KERNEL_ARGUMENTS),
        )
    return memory.peak


def own_kernel() -> type:
    """Return a manager that starts the Python of this process, whatever Jupyter finds elsewhere.

    Jupyter would prefer a kernel of the same name on JUPYTER_PATH, which may be of an environment
    with other libraries or of one that was removed.
    """
    from ipykernel.kernelspec import get_kernel_dict  # imported here: a dry run needs no kernel
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict())

    return OwnKernel


def _outputs(job: Job, before: Mapping, kept: set[str]) -> set[str]:
    """Return the labels of the outputs of a job that has just been executed.

    before: scan of the run's files before the execution. kept: outputs of the previous execution
    that count if they are still there.
    """
    changed = run_records.changed(before, run_records.scan(job.run))
    outputs = {label for label in changed if owns(job.tags, label)}
    return outputs | {label for label in kept if run_records.place(label).exists()}


def _kept(previous: Mapping | None, key: str) -> set[str]:
    """Return outputs of the previous execution that this one may have left as they were.

    A training, for example, does not write a network again that is finished.
    """
    if previous is None:
        return set()
    return {name for name in previous["outputs"] if name.startswith("data/") or key == previous["key"]}


def owns(tags: Sequence[str], name: str) -> bool:
    """Return whether the output `name` belongs to one of these members.

    The path of a member's output holds its tag (such as `seed_36`) as a word. A step without
    members (no tags) owns all outputs.
    """
    words = "|".join(map(re.escape, tags))
    return not tags or re.search(rf"(?<![0-9A-Za-z])({words})(?![0-9A-Za-z]|\.\d)", name) is not None


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block, for the kernels that are started there."""
    previous = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    logging.getLogger("papermill").setLevel("ERROR")
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value
