"""Where do the members of a step run? On Dask: a small cluster made here, a queueing system's, or one that exists."""

import importlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

from seaice.config.runfile import Cluster
from seaice.errors import DataError
from seaice.run.execute import Job, StepFailed, execute

CLASSES = {
    "slurm": ("dask_jobqueue", "SLURMCluster", "dask-jobqueue"),
    "pbs": ("dask_jobqueue", "PBSCluster", "dask-jobqueue"),
    "kubernetes": ("dask_kubernetes.operator", "KubeCluster", "dask-kubernetes"),
}
TRIES = 3  # workers that may die under a member before the run gives up


def execute_all(jobs: Sequence[Job], cluster: Cluster, *, done: Callable[[dict, str], None]) -> None:
    """Execute members on a cluster, as many at a time as it has workers, calling `done` with each record and name as it comes.

    A member whose worker dies is tried again on another. Raises StepFailed for the first that fails, the others being
    stopped, and DataError for a cluster that can't be had.
    """
    import dask.config  # here, not above: a run without foreach has no need of their 60 MB
    from distributed import Client, as_completed
    from distributed.scheduler import KilledWorker

    with dask.config.set({"distributed.scheduler.allowed-failures": TRIES}), _scheduler(cluster) as address:
        try:
            client = Client(address, timeout="20s")
        except OSError as error:
            raise DataError(
                f"cluster.address {cluster.address}: no Dask scheduler answers there: {error}"
            ) from None
        with client:
            futures = {client.submit(_member, job, pure=False): job for job in jobs}
            for future in as_completed(futures):
                try:
                    done(future.result(), futures[future].name)
                except KilledWorker:
                    name = futures[future].name
                    raise StepFailed(
                        f"{name} failed: its worker died {TRIES + 1} times (killed from outside, or out of memory?)"
                    ) from None


def is_alone(cluster: Cluster) -> bool:
    """Whether one worker on this machine is all there is: the runner does its work itself, and spares its 200 MB."""
    asked = cluster.address or cluster.options or cluster.memory_limit
    return cluster.kind == "local" and cluster.workers == 1 and not asked


def threads(cluster: Cluster) -> int:
    """Threads that a notebook on a worker may use: as asked, else its share of this machine's cores."""
    cores = (
        len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count() or 1
    )
    return cluster.threads_per_worker or max(1, cores // cluster.workers)


def _member(job: Job) -> dict:
    os.chdir(job.root)  # a worker of another cluster may have begun elsewhere
    os.environ.update({k: v for k, v in job.environment.items() if k.startswith("SEAICE_")})
    return execute(job)


@contextmanager
def _scheduler(cluster: Cluster) -> Iterator[str]:
    """Give the address of a scheduler; workers are processes with one task each, so that one can die without the run."""
    if cluster.address:
        yield cluster.address
        return
    with tempfile.TemporaryDirectory(prefix="seaice-") as scratch:
        if cluster.kind == "local":
            from distributed import LocalCluster

            options = {
                "n_workers": cluster.workers,
                "threads_per_worker": 1,
                "processes": True,
                "memory_limit": cluster.memory_limit or 0,
                "local_directory": scratch,
                "silence_logs": logging.CRITICAL,
                "dashboard_address": None,
                "scheduler_kwargs": {
                    "dashboard_address": "127.0.0.1:0"
                },  # else two runs would quarrel about port 8787
            }
            made = LocalCluster(**options | cluster.options)
        else:
            module, name, package = CLASSES[cluster.kind]
            try:
                made = getattr(importlib.import_module(module), name)(**cluster.options)
            except ImportError:
                raise DataError(
                    f"cluster.kind: {cluster.kind} needs {package}; install it with `pip install {package}`"
                ) from None
            made.scale(cluster.workers)
        with made:
            yield made.scheduler_address
