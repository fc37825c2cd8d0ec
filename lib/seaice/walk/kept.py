"""What does a walk keep on disk? Forecasts of each model and year, and the weights of networks.

A second run then only judges, and one that was interrupted goes on with the year that it was at.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from seaice.files import replacing

MISSING = np.uint16(65535)  # stands for NaN
STEPS = 65534  # a probability is kept as a whole number of this many parts


@dataclass(frozen=True)
class Store:
    """Forecasts and weights of a walk, each in a file of its own that is whole or not there.

    folder: of the walk. key: says what everything in it was made from; files with another key count
    as missing. land: bool (y, x) with the coordinates of the grid.
    """

    folder: Path
    key: str
    land: xr.DataArray

    def has(self, model: str, year: int) -> bool:
        """Return whether the forecasts of a year are there."""
        return self._key(self._forecast(model, year)) == self.key

    def put(self, model: str, year: int, sip: np.ndarray, times: pd.DatetimeIndex, **cost: float) -> None:
        """Keep forecasts (init_time, lead_time, y, x), 0..1, NaN for none.

        cost: seconds of a processor that a part of the work took, by its name.
        """
        parts = np.where(np.isnan(sip), MISSING, np.rint(np.nan_to_num(sip) * STEPS)).astype("uint16")
        arrays = {"sip": parts, "init_time": times.values.astype("datetime64[ns]")}
        self._write(self._forecast(model, year), arrays | {"cost": json.dumps(cost)})

    def forecasts(self, model: str, years: Sequence[int]) -> xr.DataArray:
        """Return the kept forecasts of some years (init_time, lead_time, y, x), float32."""
        parts, times = [], []
        for year in years:
            with np.load(self._forecast(model, year)) as file:
                times.append(file["init_time"])
                stored = file["sip"]
            parts.append(np.where(stored == MISSING, np.nan, stored / np.float32(STEPS)).astype("float32"))
        sip = np.concatenate(parts)
        coords = {"init_time": np.concatenate(times), "lead_time": np.arange(1, sip.shape[1] + 1)}
        coords |= {axis: self.land[axis].values for axis in ("y", "x")}
        return xr.DataArray(sip, coords, ("init_time", "lead_time", "y", "x"))

    def cost(self, model: str, year: int) -> dict[str, float]:
        """Return the seconds of a processor that the forecasts of a year took, by part."""
        with np.load(self._forecast(model, year)) as file:
            return json.loads(str(file["cost"]))

    def has_weights(self, strategy: str, year: int, seed: int) -> bool:
        """Return whether the weights with which a strategy forecasts a year are there."""
        return self._key(self._weights(strategy, year, seed)) == self.key

    def put_weights(self, strategy: str, year: int, seed: int, weights: Sequence[np.ndarray]) -> None:
        """Keep the weights of a network with which a strategy forecasts a year."""
        self._write(self._weights(strategy, year, seed), {f"w{k:03d}": w for k, w in enumerate(weights)})

    def weights(self, strategy: str, year: int, seed: int) -> list[np.ndarray]:
        """Return the weights with which a strategy forecasts a year."""
        with np.load(self._weights(strategy, year, seed)) as file:
            return [file[name] for name in sorted(file.files) if name.startswith("w")]

    def place(self, name: str) -> Path:
        """Return the path of another file of the walk."""
        return self.folder / name

    def _forecast(self, model: str, year: int) -> Path:
        return self.folder / "forecasts" / model / f"{year}.npz"

    def _weights(self, strategy: str, year: int, seed: int) -> Path:
        return self.folder / "weights" / strategy / f"{year}_seed_{seed}.npz"

    def _key(self, file: Path) -> str | None:
        try:
            with np.load(file) as content:
                return str(content["key"])
        except FileNotFoundError:
            return None

    def _write(self, file: Path, arrays: dict) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as temporary:
            np.savez_compressed(temporary, key=self.key, **arrays)
