"""Which records of the catalogue live, and what takes the place of those that do not?"""

from collections.abc import Iterable
from pathlib import Path

from seaice.errors import DataError
from seaice.sources import catalog

CURRENT, SUPERSEDED, RETIRED = STATES = ("current", "superseded", "retired")


def of(name: str, *, file: str | Path | None = None) -> str:
    """Return the status of an entry, one of `STATES`; `current` if the catalogue does not say.

    file: a catalogue to use in place of the project's. Raises CatalogError for an unknown entry,
    and for a status that is none.
    """
    status = catalog.metadata(name, catalog=file).get("status", CURRENT)
    if status not in STATES:
        raise catalog.CatalogError(
            f"entry '{name}': status {status!r} in the catalogue; write one of {', '.join(STATES)}"
        )
    return status


def require_alive(names: Iterable[str], *, file: str | Path | None = None) -> list[str]:
    """Return a notice for each entry of `names` that is superseded.

    Raises DataError for the first one that is retired, with its successor. file: as for `of`.
    """
    notices = []
    for name in sorted(names):
        about = catalog.metadata(name, catalog=file)
        successor, last = about.get("superseded_by"), about.get("last")
        ended = f"; its record ends with {last}" if last else ""
        instead = f"name '{successor}' in its place" if successor else "nothing takes its place"
        match of(name, file=file):
            case "retired":
                raise DataError(f"entry '{name}' is retired{ended}: {instead}")
            case "superseded":
                notices.append(f"entry '{name}' is superseded{ended}: for new work, {instead}")
    return notices
