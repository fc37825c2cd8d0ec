"""What does an Intake driver tell of its data before anything is read or a server is asked?"""

from pathlib import Path


class Driver:
    """Base of the drivers of this package.

    On its own it stands for a driver of another package, of which nothing is known.
    """

    here = "fetched already"  # said of data of which every local copy is there
    # Said of data that are not here; None where that depends on the account that they need.
    elsewhere: str | None = None

    def local_copies(self) -> list[Path]:
        """Return where local copies of the data lie, there or not; empty if none are kept."""
        return []

    def n_steps(self) -> int | None:
        """Return the number of time steps that are asked for, None where that is not known."""
        return None

    def n_bytes(self) -> float | None:
        """Return the bytes of the data before compression, None where they are not known."""
        return None

    def require_access(self, entry: str) -> None:
        """Raise DataError that names the catalogue's `entry` if the data surely can't be had."""
