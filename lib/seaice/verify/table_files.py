"""How is a table written? As CSV, either completely or not at all."""

from pathlib import Path

import pandas as pd

from seaice.files import replacing


def write(
    table: pd.DataFrame, path: Path, *, index: bool = False, float_format: str | None = None
) -> pd.DataFrame:
    """Write a table as CSV, and make its folder where there is none; return the table.

    index: write the index as first columns. float_format: such as "%.3f"; None writes all digits.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        table.to_csv(part, index=index, float_format=float_format)
    return table
