"""What tests share: made-up data, coarse projects, a web server of their own, tiny networks."""

import os
from pathlib import Path

# Environment of a Python process that imports this package.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(
        filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")])
    )
}
