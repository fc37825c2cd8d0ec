"""Which values may a parameter have? One frozen model for all parameters that a run shares among its notebooks."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seaice import steps
from seaice.grid import Grid, Hemisphere
from seaice.schema import VARIABLES

N_LEADS = 6  # forecast months, Andersson et al. 2021; assumed by the checks where a run file does not say
KNOWN_AHEAD = ("siconc_trend", "ice_frequency", "full_ice_frequency", "siconc_damping")  # channels at the valid month
ENTRIES = ("sources", "normals", "seasonal")  # parameters whose values are names of catalogue entries
OPTIONAL = (
    "simulations",
    "normals",
    "seasonal",
    "blend",
    "faster",
)  # parameters that a run which does not name them goes without, whatever the default


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the valid name nearest to `name`, else a list of the valid ones."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; choose one of {', '.join(valid) or '(none)'}"


def entries(parameters: Mapping[str, Any]) -> set[str]:
    """Return the names of the catalogue entries among parameter values."""
    values = [parameters.get(name) or () for name in ENTRIES]
    values += [simulation["entry"] for simulation in parameters.get("simulations") or ()]
    names = set()
    for value in values:
        names |= {value} if isinstance(value, str) else set(value.values() if isinstance(value, Mapping) else value)
    return names


def _month(value: str) -> str:
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", value):
        raise ValueError(f"'{value}' is no month; write it as 'YYYY-MM'")
    return value


def _moment(value: str) -> str:
    error = f"'{value}' is no month or day; write it as 'YYYY-MM' or 'YYYY-MM-DD'"
    if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", value):
        raise ValueError(error)
    try:
        steps.bounds([value, value], "daily")
    except ValueError:
        raise ValueError(error) from None
    return value


Month = Annotated[str, AfterValidator(_month)]
Moment = Annotated[str, AfterValidator(_moment)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Missing = Literal["error", "drop", "climatology"]


class Strict(BaseModel):
    """Frozen model without extra keys, whose complaint about an unknown key names the nearest valid one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, Mapping):
            for key in values:
                if key not in cls.model_fields:
                    raise ValueError(f"unknown key '{key}'{nearest(str(key), cls.model_fields)}")
        return values


class Channel(Strict):
    """Input channels of one variable: `lags` steps up to the forecast, `leads` forecast steps, or neither (fixed fields)."""

    variable: str
    lags: Positive | None = None
    leads: Positive | None = None

    @model_validator(mode="after")
    def _fits_variable(self) -> Self:
        wanted: dict[str, Any] = (
            dict.fromkeys(VARIABLES, "lags") | {"siconc_anomaly": "lags"} | dict.fromkeys(KNOWN_AHEAD, "leads")
        )
        wanted |= {"trees": "leads"} | dict.fromkeys(("land", "position", "month", "season"))
        if self.variable not in wanted:
            raise ValueError(f"unknown variable '{self.variable}'{nearest(self.variable, wanted)}")
        given = [name for name in ("lags", "leads") if getattr(self, name) is not None]
        expected = wanted[self.variable]
        if given != ([expected] if expected else []):
            raise ValueError(
                f"'{self.variable}' takes {f'`{expected}` only' if expected else 'neither lags nor leads'}"
            )
        return self


class Splits(Strict):
    """Ranges of `init_time`, first and last month or day included, in the order train, validation, test."""

    train: tuple[Moment, Moment]
    validation: tuple[Moment, Moment]
    test: tuple[Moment, Moment]

    @model_validator(mode="before")
    @classmethod
    def _not_empty(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if not (isinstance(value, list | tuple) and len(value) == 2):
                raise ValueError(f"split '{name}' is {value!r}; give its first and last month, ['YYYY-MM', 'YYYY-MM']")
        return values

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        for name, (first, last) in self:
            if len(steps.between((first, last), "daily")) == 0:
                raise ValueError(f"split '{name}' is empty: it begins {first}, after its end {last}; swap them")
        return self

    def check_apart(self, *, n_leads: int, cadence: str) -> None:
        """Raise ValueError for days in a monthly run, and where a target of one split lies in the next."""
        ranges, stamp = {}, steps.STAMP[cadence]
        for name, ends in self:
            for end in ends:
                if cadence == "monthly" and len(end) > len("YYYY-MM"):
                    raise ValueError(f"split '{name}': {end} is a day, and this run counts months; write {end[:7]}")
            ranges[name] = steps.bounds(ends, cadence)
        for name, following in zip(ranges, [*ranges][1:], strict=False):
            last, first = ranges[name][1], ranges[following][0]
            target = last + (n_leads - 1) * steps.offset(cadence)
            if target >= first:
                raise ValueError(
                    f"splits overlap: with {n_leads} leads the targets of '{name}' (to {last:{stamp}}) reach {target:{stamp}}, but "
                    f"'{following}' begins {getattr(self, following)[0]}; begin it {target + steps.offset(cadence):{stamp}} or later"
                )


class Simulation(Strict):
    """Members of a climate simulation that networks learn from before they see observations.

    entry: of the catalogue, or one by variable where they lie in different stores. members: given to it as `member`.
    start, end: first and last month taken.
    """

    entry: str | dict[str, str]
    members: list[int | str] = Field(min_length=1)
    start: Month
    end: Month

    @property
    def names(self) -> list[str]:
        """Name of each member, `<entry>_<member>`, the entry being that of sea ice."""
        ice = self.entry if isinstance(self.entry, str) else self.entry["siconc"]
        return [f"{ice}_{member}" for member in self.members]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if isinstance(self.entry, dict) and "siconc" not in self.entry:
            raise ValueError(f"entry names no 'siconc', only {sorted(self.entry)}; add the entry with the sea ice")
        if self.start >= self.end:
            raise ValueError(f"start {self.start} must lie before end {self.end}")
        return self


class Faster(Strict):
    """Ways to compute networks faster, see `train.fit`; what is not given is off."""

    window: Literal["active"] | None = None
    precision: Literal["mixed_bfloat16"] | None = None
    gather: Literal["float32", "float16", "bfloat16"] | None = None


class Permute(Strict):
    """What permute-and-predict permutes and which forecasts it judges; see `importance.measure`."""

    groups: list[str] | None = Field(None, min_length=1)
    judged: list[Literal["validation", "test"]] = Field(min_length=1)
    init_months: list[Annotated[int, Field(ge=1, le=12)]] | None = Field(None, min_length=1)
    inits: Positive | None = None
    seeds: Positive = 10
    within_month: list[bool] = Field([False, True], min_length=1)
    workers: Positive | str | None = None


class Parameters(Strict):
    """Every parameter that a run may share among its notebooks; a new one is one line here."""

    run: str | None = None  # given by the runner
    hemisphere: Hemisphere | None = None
    cadence: Literal["monthly", "daily"] | None = None
    resolution_km: float | None = None
    start: Month | None = None
    end: Month | None = None
    # data: catalogue entries by variable, and that of the physics-based forecast
    sources: dict[str, str] | None = None
    normals: str | None = None  # monthly SIC that a daily run's normals are fitted to; null for the run's own record
    seasonal: str | None = None
    simulations: list[Simulation] | None = Field(None, min_length=1)  # to learn from first; null for none
    # samples
    missing: Missing | dict[str, Missing] | None = None
    splits: Splits | None = None
    channels: list[Channel] | None = Field(None, min_length=1)
    n_leads: Positive | None = None
    # network and training
    network: Literal["icenet_2021", "correction"] | None = None
    filters_factor: float | None = Field(None, gt=0)
    epochs: Positive | None = None
    batch_size: Positive | None = None
    learning_rate: float | None = Field(None, gt=0)
    schedule: Literal["constant", "decay", "cosine"] | None = None
    patience: Positive | None = None
    focal_gamma: float | None = Field(None, ge=0)
    weight_average: float | None = Field(None, gt=0, lt=1)
    withhold: float | None = Field(None, ge=0, lt=1)
    turns: bool | None = None
    siconc_head: bool | None = None
    faster: Faster | None = None  # ways of computing that change what is learnt a little; null for none
    pretrain_epochs: Positive | None = None
    validate_every: Positive | None = None
    seed: Seed | None = None
    seeds: list[Seed] | None = Field(None, min_length=1)
    # forecast
    blend: Literal["trees"] | None = None  # model whose forecasts are mixed with the networks'
    blend_share: float | None = Field(None, gt=0, lt=1)
    # importance of the inputs
    permute: Permute | None = None
    # attribution: months explained, at which leads, and of which region (see `roi`)
    cases: Literal["record_low"] | list[Month] | None = None
    roi: tuple[Month, Month] | dict[Literal["polygon"], list[tuple[float, float]]] | str | None = None
    roi_threshold: float | None = Field(None, gt=0, lt=1)
    explained_leads: list[Positive] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.resolution_km is not None:
            Grid(self.hemisphere or "north", self.resolution_km)
        if self.seeds and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {self.seeds} hold one twice; every member needs its own")
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} lies after end {self.end}; swap them")
        names = [name for simulation in self.simulations or () for name in simulation.names]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"simulations give '{name}' twice; name each member once")
        if self.normals and self.cadence == "monthly":
            raise ValueError(f"normals '{self.normals}' are for a daily run; a monthly one has its own")
        if self.cadence == "daily":  # said here, since blending comes after all training
            named = ["`blend: trees`"] * (self.blend == "trees")
            named += ["the channel 'trees'"] * any(channel.variable == "trees" for channel in self.channels or ())
            if named:
                raise ValueError(
                    f"{' and '.join(named)} can't be had in a daily run: it has trees at some of its leads only; leave out what names them"
                )
        if self.splits:
            self.splits.check_apart(n_leads=self.n_leads or N_LEADS, cadence=self.cadence or "monthly")
            for name, (first, last) in self.splits:
                if (self.start and first < self.start) or (self.end and last[:7] > self.end):
                    raise ValueError(f"split '{name}' ({first} to {last}) leaves the data's {self.start} to {self.end}")
        return self
