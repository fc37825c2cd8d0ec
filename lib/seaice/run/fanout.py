"""Where do the members of a step run? On Dask.

The cluster is a small one made here, one of a queueing system, or one that exists already.
"""

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
TRIES = 3  # as many workers may die while they execute a member; then the run gives up


def execute_all(jobs: Sequence[Job], cluster: Cluster, *, done: Callable[[dict, str], None]) -> None:
    """Execute members on a cluster, as many at a time as it has workers.

    done: called with the record and the name of each member as soon as it has finished. If its
    worker dies, a member is tried again on another one.
    Raises StepFailed for the first member that fails; the others are then stopped. Raises DataError
    for a cluster that cannot be reached or made.
    """
    # Imported here because they take 60 MB, which a run without foreach does not need.
    import dask.config
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
                        f"{name} failed: its worker died {TRIES + 1} times "
                        "(killed from outside, or out of memory?)"
                    ) from None


def is_alone(cluster: Cluster) -> bool:
    """Return whether a run has a single worker on this machine.

    Then the runner does the work itself, which saves the 200 MB of a worker.
    """
    needs_a_cluster = cluster.address or cluster.options or cluster.memory_limit
    return cluster.kind == "local" and cluster.workers == 1 and not needs_a_cluster


def threads(cluster: Cluster) -> int:
    """Return the number of threads that a notebook on a worker may use.

    It is the number in the settings, or else an equal share of this machine's cores.
    """
    cores = (
        len(psutil.Process().cpu_affinity())
        if hasattr(psutil.Process, "cpu_affinity")
        else os.cpu_count() or 1
    )
    return cluster.threads_per_worker or max(1, cores // cluster.workers)


def _member(job: Job) -> dict:
    """Execute one member; this is what a worker does."""
    os.chdir(job.root)  # a worker of another cluster may have started in another folder
    os.environ.update({k: v for k, v in job.environment.items() if k.startswith("SEAICE_")})
    return execute(job)


@contextmanager
def _scheduler(cluster: Cluster) -> Iterator[str]:
    """Yield the address of a scheduler.

    Workers are processes with one task each, so that the run outlives a worker that dies.
    """
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
                # Any free port; by default two runs would compete for port 8787.
                "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},
            }
            dask_cluster = LocalCluster(**options | cluster.options)
        else:
            module, name, package = CLASSES[cluster.kind]
            try:
                dask_cluster = getattr(importlib.import_module(module), name)(**cluster.options)
            except ImportError:
                raise DataError(
                    f"cluster.kind: {cluster.kind} needs {package}; install it with `pip install {package}`"
                ) from None
            dask_cluster.scale(cluster.workers)
        with dask_cluster:
            yield dask_cluster.scheduler_address
