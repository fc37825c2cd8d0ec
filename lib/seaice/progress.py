"""How far is it? One progress bar for all long work, shown where people look for it."""

import os
import sys
from typing import Any

from tqdm import tqdm

# Set by the runner: path of the log beside the record of the notebook that it executes.
LOG = "SEAICE_KERNEL_LOG"
LOG_INTERVAL = 10  # s, between two lines of a log


def bar(*args: Any, **options: Any) -> tqdm:
    """Return a tqdm bar, which takes tqdm's arguments.

    It is shown on the terminal or in the notebook; under the runner it is written to the step's
    log. An executed notebook does not hold it: the times it shows differ from run to run.
    """
    log = os.environ.get(LOG)
    if log:
        options |= {"file": open(log, "a"), "mininterval": LOG_INTERVAL, "ascii": True, "leave": True}
    return tqdm(*args, **({"file": sys.stderr} | options))
