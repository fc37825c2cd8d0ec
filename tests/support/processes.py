"""Which processes work in a project?"""

import contextlib
from pathlib import Path

import psutil


def at_work(project: Path) -> list[psutil.Process]:
    """Processes whose working directory is the project: kernels, workers, runner."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(project) and is_alive(process):
                found.append(process)
    return found


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
