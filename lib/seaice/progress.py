"""How far is it? One progress bar for all long work, shown where somebody looks."""

import os
import sys
from typing import Any

from tqdm import tqdm

LOG = "SEAICE_KERNEL_LOG"  # set by the runner: the log beside the record of the notebook that it executes
LOG_INTERVAL = 10  # s between two lines of a log


def bar(*args: Any, **options: Any) -> tqdm:
    """Return a tqdm bar, with tqdm's arguments: on the terminal or in the notebook, and under the runner in its log.

    An executed notebook stays free of it, since the times it shows differ from run to run.
    """
    log = os.environ.get(LOG)
    if log:
        options |= {"file": open(log, "a"), "mininterval": LOG_INTERVAL, "ascii": True, "leave": True}
    return tqdm(*args, **({"file": sys.stderr} | options))
