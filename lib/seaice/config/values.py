"""Which values may a setting have?

These small frozen models and types are what the sections of a run file are made of.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from seaice import steps
from seaice.errors import DataError, nearest
from seaice.schema import VARIABLES, WITH_LEADS


def plain(error: Exception, *, within: str = "") -> str:
    """Return the complaints of a pydantic error in plain sentences, one for each key.

    within: dotted name of what was validated, put before each key.
    """
    if not isinstance(error, ValidationError):
        return str(error)
    sentences = []
    for item in error.errors():
        key = ".".join([*filter(None, [within]), *map(str, item["loc"])]) or "run file"
        if item["type"] == "value_error":
            complaint = str(item["ctx"]["error"])
        elif item["type"] == "missing":
            complaint = "is missing; add it"
        else:
            complaint = f"is {item['input']!r}; {item['msg'][0].lower()}{item['msg'][1:]}"
        sentences.append(f"{key}: {complaint}")
    return "\n  ".join(dict.fromkeys(sentences))


def _month(value: str) -> str:
    """Return a month; raise ValueError unless it is written as "YYYY-MM"."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        raise ValueError(f"'{value}' is no month; write it as 'YYYY-MM'")
    return value


def _moment(value: str) -> str:
    """Return a month or day; raise ValueError unless it is "YYYY-MM" or "YYYY-MM-DD"."""
    error = f"'{value}' is no month or day; write it as 'YYYY-MM' or 'YYYY-MM-DD'"
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", value):
        raise ValueError(error)
    try:
        steps.bounds([value, value], "daily")
    except ValueError:
        raise ValueError(error) from None
    return value


def _sources(value: dict[str, str]) -> dict[str, str]:
    """Return entries by variable; raise ValueError for an unknown variable, and without ice."""
    for name in sorted(set(value) - set(VARIABLES)):
        raise ValueError(f"no variable is called '{name}'{nearest(name, VARIABLES)}")
    if value and "siconc" not in value:
        raise ValueError(f"there is no 'siconc', only {sorted(value)}; name an entry of sea ice")
    return value


Month = Annotated[str, AfterValidator(_month)]
Moment = Annotated[str, AfterValidator(_moment)]
Sources = Annotated[dict[str, str], AfterValidator(_sources)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Missing = Literal["error", "drop", "climatology"]
Model = TypeVar("Model", bound="Strict")


class Strict(BaseModel):
    """Frozen model that accepts no extra keys.

    The message about an unknown key names the nearest valid one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'{nearest(str(key), cls.model_fields)}")
        return values


def checked(model: type[Model], values: Any, *, within: str) -> Model:
    """Return the model of these values.

    within: name of the section, put before each key in messages. Raises DataError that names the
    key, its value and what to do.
    """
    try:
        return model.model_validate(values)
    except (ValidationError, DataError) as error:
        raise DataError(plain(error, within=within)) from None


class Channel(Strict):
    """Input channels of one variable.

    lags: number of steps before init_time. leads: number of forecast steps. A variable has one of
    the two, or neither if its fields are fixed.
    """

    variable: str
    lags: Positive | None = None
    leads: Positive | None = None

    @model_serializer
    def _row(self) -> dict[str, str | int]:
        """Return the row of a channel table, without the entries that do not apply."""
        return {name: value for name, value in self if value is not None}

    @model_validator(mode="after")
    def _fits_variable(self) -> Self:
        takes: dict[str, Any] = (
            dict.fromkeys(VARIABLES, "lags") | {"siconc_anomaly": "lags"} | dict.fromkeys(WITH_LEADS, "leads")
        )
        takes |= {"trees": "leads"} | dict.fromkeys(("land", "position", "month", "season"))
        if self.variable not in takes:
            raise ValueError(f"unknown variable '{self.variable}'{nearest(self.variable, takes)}")
        counts = [name for name in ("lags", "leads") if getattr(self, name) is not None]
        needed = takes[self.variable]
        if counts != ([needed] if needed else []):
            raise ValueError(
                f"'{self.variable}' takes {f'`{needed}` only' if needed else 'neither lags nor leads'}"
            )
        return self


class Splits(Strict):
    """Ranges of `init_time` in the order train, validation, test.

    Each range has a first and a last month or day, which belong to it.
    """

    train: tuple[Moment, Moment]
    validation: tuple[Moment, Moment]
    test: tuple[Moment, Moment]

    @property
    def ranges(self) -> dict[str, tuple[str, str]]:
        """Return the first and last init_time of each split, by its name."""
        return dict(self)

    @model_validator(mode="before")
    @classmethod
    def _not_empty(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if not (isinstance(value, list | tuple) and len(value) == 2):
                raise ValueError(
                    f"split '{name}' is {value!r}; give its first and last month, ['YYYY-MM', 'YYYY-MM']"
                )
        return values

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name, (first, last) in self:
            if len(steps.between((first, last), "daily")) == 0:
                raise ValueError(
                    f"split '{name}' is empty: it begins {first}, after its end {last}; swap them"
                )
        return self

    def check_apart(self, *, n_leads: int, cadence: str) -> None:
        """Raise ValueError unless the splits are apart.

        A monthly run may not give days, and no target of a split may lie in the split after it.
        """
        ranges, stamp = {}, steps.STAMP[cadence]
        for name, ends in self:
            for end in ends:
                if cadence == "monthly" and len(end) > len("YYYY-MM"):
                    raise ValueError(
                        f"split '{name}': {end} is a day, and this run counts months; write {end[:7]}"
                    )
            ranges[name] = steps.bounds(ends, cadence)
        for name, following in zip(ranges, [*ranges][1:], strict=False):
            last, first = ranges[name][1], ranges[following][0]
            target = last + (n_leads - 1) * steps.offset(cadence)
            if target >= first:
                raise ValueError(
                    f"splits overlap: with {n_leads} leads the targets of '{name}' (to {last:{stamp}}) reach "
                    f"{target:{stamp}}, but '{following}' begins {getattr(self, following)[0]}; "
                    f"begin it {target + steps.offset(cadence):{stamp}} or later"
                )


class Simulation(Strict):
    """Members of a climate simulation that networks learn from before they see observations.

    entry: a catalogue entry, or one for each variable if they lie in different stores. members:
    passed to the entry as `member`. start, end: first and last month that is used.
    """

    entry: str | dict[str, str]
    members: tuple[int | str, ...] = Field(min_length=1)
    start: Month
    end: Month

    @property
    def names(self) -> list[str]:
        """Return the name of each member, `<entry>_<member>`; the entry is that of sea ice."""
        ice = self.entry if isinstance(self.entry, str) else self.entry["siconc"]
        return [f"{ice}_{member}" for member in self.members]

    @property
    def entries(self) -> set[str]:
        """Return the names of the catalogue entries that the simulation is read from."""
        return {self.entry} if isinstance(self.entry, str) else set(self.entry.values())

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if isinstance(self.entry, dict) and "siconc" not in self.entry:
            raise ValueError(
                f"entry names no 'siconc', only {sorted(self.entry)}; add the entry with the sea ice"
            )
        if self.start >= self.end:
            raise ValueError(f"start {self.start} must lie before end {self.end}")
        return self


class Faster(Strict):
    """Ways to compute networks faster; each changes a little what is learnt, and is off by default.

    window: "active" for a network that sees only the smallest window of `windows`; None for the
    whole map. precision: "mixed_bfloat16" for convolutions in bfloat16; weights and logits stay
    float32.
    gather: dtype (see `device.STORAGES`) in which the base planes are copied to the device that
    computes the network, so that samples are assembled there; None assembles them here, in float32.
    """

    window: Literal["active"] | None = None
    precision: Literal["mixed_bfloat16"] | None = None
    gather: Literal["float32", "float16", "bfloat16"] | None = None
