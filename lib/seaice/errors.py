"""How does bad input fail? The error for it, and the valid name that was probably meant."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Input that cannot be used.

    The message names the source, variable, date or key, and says what to do.
    """


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the valid name nearest to `name`.

    Without a near one, return a list of the valid names.
    """
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; choose one of {', '.join(valid) or '(none)'}"
