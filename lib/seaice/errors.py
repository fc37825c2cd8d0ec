"""What went wrong, and what was probably meant? The error of bad input, and the nearest valid name."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Input that can't be used; the message names the source, variable, date or key, and what to do."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the valid name nearest to `name`, else a list of the valid ones."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; choose one of {', '.join(valid) or '(none)'}"
