"""How many threads may this process use?"""

import os


def allowed() -> int:
    """Return the number of threads that the runner allows, or else the number of cores."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
