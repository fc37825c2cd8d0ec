"""Which attributes does a written dataset have? CF and ACDD attributes, kept in a YAML file."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr
import yaml

from seaice.errors import DataError

OF_THE_VARIABLE = (
    "_FillValue",
    "valid_min",
    "valid_max",
    "flag_values",
)  # CF: these have the type of the variable


def dataset(file: Path, values: Mapping, **words) -> xr.Dataset:
    """Return values as a dataset, with the dimensions, attributes and encodings that a file states.

    file: YAML with four keys. `attributes` are those of the whole dataset. `coordinates` names the
    variables that are coordinates. `encoding` holds for every variable. `variables` are in the
    order in which they are written. A variable has `dims` (none for a single number), `dtype` if
    its values are to be converted, an `encoding` of its own, and attributes: every other key. A
    text may hold placeholders "{word}".
    values: by variable, an array with the stated dimensions in their order; or a DataArray or a
    tuple (dims, array, attributes), whose own attributes come first. A stated variable without
    values is left out.
    words: the value of each placeholder. A text that consists of one placeholder becomes the value
    itself, which may be a number.
    Raises DataError for a variable that the file does not state, and for a placeholder without a
    value.
    """
    stated = _stated(file)
    unstated = sorted(set(values) - set(stated["variables"]))
    if unstated:
        raise DataError(
            f"{file.name}: no attributes of {', '.join(unstated)}; state them there, under `variables`"
        )
    shared = stated.get("encoding", {})
    variables = {
        name: _variable(file, about, shared, values[name], words)
        for name, about in stated["variables"].items()
        if name in values
    }
    ds = xr.Dataset(variables, attrs=_filled(file, stated["attributes"], words))
    return ds.set_coords([name for name in stated["coordinates"] if name in ds])


def dims(file: Path) -> dict[str, tuple[str, ...]]:
    """Return the dimensions of every variable that a file states, see `dataset`."""
    return {name: tuple(about.get("dims", ())) for name, about in _stated(file)["variables"].items()}


def _variable(file: Path, about: Mapping, shared: Mapping, value, words: Mapping) -> xr.Variable:
    """Return one variable with its dimensions, type, attributes and encoding.

    about: the entry of the variable in the file. shared: encoding of every variable.
    """
    has_dims = isinstance(value, xr.DataArray | tuple)
    variable = xr.as_variable(value) if has_dims else xr.Variable(about.get("dims", ()), value)
    if "dtype" in about:
        variable = variable.astype(about["dtype"])
    attributes = {key: text for key, text in about.items() if key not in ("dims", "dtype", "encoding")}
    encoding = {**shared, **about.get("encoding", {})}
    variable.attrs |= _typed(_filled(file, attributes, words), variable.dtype)
    variable.encoding = _typed(_filled(file, encoding, words), variable.dtype)
    return variable


def _filled(file: Path, entries: Mapping, words: Mapping) -> dict:
    """Return a mapping with the placeholders in its texts filled in."""
    return {key: _fill(file, text, words) if isinstance(text, str) else text for key, text in entries.items()}


def _fill(file: Path, text: str, words: Mapping):
    """Return a text with its placeholders filled in.

    If the text is one placeholder, return the value itself.
    """
    placeholder = re.fullmatch(r"\{(\w+)\}", text)
    try:
        return words[placeholder[1]] if placeholder else text.format(**words)
    except KeyError as error:
        raise DataError(
            f"{file.name}: the placeholder {error} of '{text}' has no word; pass one to cf.dataset"
        ) from None


def _typed(entries: Mapping, dtype: np.dtype) -> dict:
    """Return the entries; those that must have the variable's type are converted to it."""
    typed = dict(entries)
    for key in OF_THE_VARIABLE:
        if typed.get(key) is not None:
            # PyYAML reads .nan with the sign bit set, which would change the bytes of a file.
            value = np.nan if typed[key] != typed[key] else typed[key]
            typed[key] = np.asarray(value, dtype)[()]
    return typed


@lru_cache(maxsize=16)
def _stated(file: Path) -> dict:
    """Read a YAML file of attributes, once for each file."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))
