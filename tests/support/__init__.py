"""What tests share: made-up data, coarse projects, a web server of their own, tiny networks."""

import os
from pathlib import Path


def environment() -> dict[str, str]:
    """The environment of now, for a Python process that imports this package."""
    places = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
