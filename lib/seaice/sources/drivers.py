"""What does an Intake driver know about its data before it reads anything or asks a server?"""

import inspect
from pathlib import Path


class Driver:
    """Base of the drivers of this package.

    An instance of the base itself stands for a driver of another package, whose data are unknown.
    """

    here = "fetched already"  # status shown when every local copy exists
    # Status shown when copies are missing; None if it depends on the account that the data need.
    elsewhere: str | None = None
    is_made_here = False  # whether `make` makes the data, instead of a provider

    def local_copies(self) -> list[Path]:
        """Return the paths of local copies, existing or not; empty if no copies are kept."""
        return []

    def n_steps(self) -> int | None:
        """Return the number of time steps requested, or None if it is unknown."""
        return None

    def n_bytes(self) -> float | None:
        """Return the size of the data in bytes before compression, or None if it is unknown."""
        return None

    def make(self) -> None:
        """Make the data if they are made on this machine and are missing."""

    def n_bytes_to_fetch(self) -> float | None:
        """Return the bytes that are still to be fetched, as the server says; None if unknown."""
        return None

    def require_access(self, entry: str) -> None:
        """Raise DataError naming the catalogue's `entry` if its data certainly can't be had."""


def arguments(driver: type) -> set[str]:
    """Return the names of the arguments a driver takes.

    Arguments of the base classes to which it passes `**options` are included.
    """
    names = set()
    for cls in driver.__mro__:
        if "__init__" in vars(cls) and cls is not object:
            parameters = inspect.signature(cls.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
            if all(p.kind != p.VAR_KEYWORD for p in parameters):
                break
    return names - {"self"}
