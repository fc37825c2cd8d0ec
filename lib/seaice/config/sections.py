"""Which settings does a run have? The sections of a run file: frozen models with defaults."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from seaice.config import values
from seaice.config.possible import Trajectories
from seaice.config.values import Channel, Faster, Missing, Month, Positive, Seed, Simulation, Splits, Strict
from seaice.config.walking import Walking
from seaice.grid import Grid, Hemisphere

# Settings that `pretraining` takes from `training` if it leaves them out.
SHARED = (
    *("network", "filters_factor", "batch_size", "learning_rate"),
    *("focal_gamma", "weight_average", "best_by", "faster"),
)


class Section(Strict):
    """A section of a run file.

    The message about an unknown key names the section in which the right key stands.
    """

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        section = next((name for name, model in SECTIONS.items() if model is cls), None)
        for key in values if isinstance(values, Mapping) else ():
            if key not in cls.model_fields:
                raise ValueError(f"unknown key '{key}'{suggestion(str(key), section=section)}")
        return values


class Data(Section):
    """Which data a run reads, and the grid that they are brought to.

    hemisphere: "north" or "south". cadence: time step of the data, "monthly" (default) or "daily".
    resolution_km: spacing of the EASE2 grid, km. start, end: first and last month of the data,
    "YYYY-MM". sources: variable -> catalogue entry. absent: what a file that the provider lacks is,
    where there is one file a step: an "error" (default), or a "missing" step. normals: entry of
    monthly ice for the normals of a daily run; None (default) for the run's own. seasonal: entry of
    a physics-based forecast to compare with. limit: entry of a perfect-model forecast, which shows
    what can be known. simulations: climate runs to learn from first. None of these by default.
    """

    hemisphere: Hemisphere
    cadence: Literal["monthly", "daily"] = "monthly"
    resolution_km: float
    start: Month
    end: Month
    sources: values.Sources
    absent: Literal["error", "missing"] = "error"
    normals: str | None = None
    seasonal: str | None = None
    limit: str | None = None
    simulations: tuple[Simulation, ...] | None = Field(None, min_length=1)

    @property
    def grid(self) -> Grid:
        """Return the grid of the run."""
        return Grid(self.hemisphere, self.resolution_km)

    @property
    def entries(self) -> dict[str, set[str]]:
        """Return the catalogue entries that the run reads, by the setting that names them."""
        single = {name: {getattr(self, name)} - {None} for name in ("normals", "seasonal", "limit")}
        simulated = (simulation.entries for simulation in self.simulations or ())
        return {"sources": set(self.sources.values()), **single, "simulations": set().union(*simulated)}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        Grid(self.hemisphere, self.resolution_km)
        if self.start > self.end:
            raise ValueError(f"start {self.start} lies after end {self.end}; swap them")
        names = [name for simulation in self.simulations or () for name in simulation.names]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"simulations give '{twice[0]}' twice; name each member once")
        if self.normals and self.cadence == "monthly":
            raise ValueError(f"normals '{self.normals}' are for a daily run; a monthly one has its own")
        return self


class Sampling(Section):
    """What a network gets for one init_time, and which init_times there are.

    channels: rows of the channel table (see `assembly.Samples`). n_leads: forecast steps, default 6
    (months, Andersson et al. 2021). missing: what happens if a predictor has no value in a whole
    time step: "error" (default), "drop" or "climatology"; one word for all variables, or one for
    each.
    splits: first and last init_time of train, validation and test.
    """

    channels: tuple[Channel, ...] = Field(min_length=1)
    n_leads: Positive = 6
    missing: Missing | dict[str, Missing] = "error"
    splits: Splits

    @property
    def table(self) -> list[dict[str, str | int]]:
        """Return the channel table as plain rows, which `assembly.Samples` takes."""
        return [channel.model_dump() for channel in self.channels]


class Learning(Section):
    """What a network is and how it learns, in pre-training and in training.

    network: "icenet_2021" (default), the U-Net of Andersson et al. 2021, or "correction", a small
    network that corrects a first guess. filters_factor: width of the network, default 1; the
    paper's is 2. batch_size: samples per batch, default 2. learning_rate: of Adam at the start,
    0..1, default 5e-4 (Andersson et al. 2021). focal_gamma: exponent of the focal loss, default 2;
    0 gives the cross-entropy. weight_average: momentum of an exponential moving average of the
    weights. If given, the averaged weights are validated and saved. A momentum m averages over
    about 1 / (1 - m) batches. None (default): no average. validate_every: batches between two
    validations; None (default): once per epoch. best_by: score of the validation split that says
    which weights are kept and when training stops, "loss" (default) or "accuracy" of the three
    classes (Andersson et al. 2021). faster: ways to compute faster, all off by default.
    """

    network: Literal["icenet_2021", "correction"] = "icenet_2021"
    filters_factor: float = Field(1.0, gt=0)
    batch_size: Positive = 2
    learning_rate: float = Field(5e-4, gt=0, lt=1)
    focal_gamma: float = Field(2.0, ge=0)
    weight_average: float | None = Field(None, gt=0, lt=1)
    validate_every: Positive | None = None
    best_by: Literal["loss", "accuracy"] = "loss"
    faster: Faster = Faster()


class Training(Learning):
    """How a network is trained on observations.

    epochs: largest number of passes over the training split, default 50. schedule: of the learning
    rate, "constant" (default), "decay" or "cosine". patience: number of validations without
    improvement after which training stops, default 10; None: it never stops early. withhold: share
    of training samples, 0..1, in which climatology replaces weather and ocean, default 0. turns:
    rotate and mirror the maps of training samples, default False. siconc_head: forecast the
    concentration itself beside the ice classes, default False. Other settings: see `Learning`.
    """

    epochs: Positive = 50
    schedule: Literal["constant", "decay", "cosine"] = "constant"
    patience: Positive | None = 10
    withhold: float = Field(0.0, ge=0, lt=1)
    turns: bool = False
    siconc_head: bool = False

    @property
    def target(self) -> str:
        """Return what the targets of the samples are: "siconc" if the network forecasts it."""
        return "siconc" if self.siconc_head else "ice_class"

    def fine_tuning(self) -> Self:
        """Return the same settings with half the learning rate, for a pre-trained network."""
        return self.model_copy(update={"learning_rate": self.learning_rate / 2})

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.faster.window and self.turns:
            raise ValueError("turns: a turned map leaves the window; train without one of the two")
        if self.siconc_head and self.network != "correction":
            raise ValueError(
                f"network '{self.network}' forecasts classes only; take network: correction for siconc_head"
            )
        return self


class Pretraining(Learning):
    """How a network is trained on climate simulations before it sees observations.

    epochs: passes over the simulations, required. Other settings: see `Learning`. If a run file
    leaves one of them out, it is that of `training`, except for validate_every.
    The learning rate is constant, and training never stops early.
    """

    epochs: Positive

    @property
    def training(self) -> Training:
        """Return the same settings as those of a training."""
        return Training(**dict(self), schedule="constant", patience=None)


class Boosting(Section):
    """How boosted trees are fitted.

    rows: cells that each lead is fitted to, default 400,000. with_plain: whether trees of plain
    features (`features.fields`) are a model beside them, default True; those of days all are plain.
    """

    rows: Positive = 400_000
    with_plain: bool = True


class Forecasting(Section):
    """How the networks forecast together.

    seeds: one for each member of the ensemble. blend: baseline whose forecasts are mixed with those
    of the networks, "trees"; None (default) for none. blend_share: share of the baseline in the
    mixture, 0..1, default 0.5. calibration: what is fitted to the validation split, "pooled"
    (default) or "temperatures". "pooled" is a map of the mixture's odds that all leads share,
    shrunk towards none. "temperatures" are one for each network and one for each lead, as in
    Andersson et al. 2021.
    """

    seeds: tuple[Seed, ...] = Field(min_length=1)
    blend: Literal["trees"] | None = None
    blend_share: float = Field(0.5, gt=0, lt=1)
    calibration: Literal["pooled", "temperatures"] = "pooled"

    @model_validator(mode="after")
    def _different_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds {[*self.seeds]} hold one twice; every member needs its own")
        return self


class Importance(Section):
    """What permute-and-predict permutes, and which forecasts it scores.

    groups: names of channels, variables or groups of variables (`importance.groups`) to permute;
    None (default) for all. judged: splits whose forecasts are scored, default validation and test.
    init_months: calendar months (1..12) of the initialisations that are scored; None (default) for
    all. inits: number of initialisations of each split that are scored per seed; None (default) for
    all. seeds: number of permutations, default 10. within_month: permute across all months (False),
    within the calendar month (True), or both (default). workers: number of Dask processes, or the
    address of a Dask scheduler; None (default): the page's own process.
    """

    groups: tuple[str, ...] | None = Field(None, min_length=1)
    judged: tuple[Literal["validation", "test"], ...] = Field(("validation", "test"), min_length=1)
    init_months: tuple[Annotated[int, Field(ge=1, le=12)], ...] | None = Field(None, min_length=1)
    inits: Positive | None = None
    seeds: Positive = 10
    within_month: tuple[bool, ...] = Field((False, True), min_length=1)
    workers: Positive | str | None = None


class Attribution(Section):
    """Which forecasts are explained by gradients, and for which region.

    cases: months that are explained, "YYYY-MM", or "record_low" (default) for the lowest extent of
    the record and the rebound after it. roi: region of interest: two months that differ,
    "record_low" (default), the name of a sea, or {"polygon": [[latitude, longitude], ...]}.
    roi_threshold: least difference of ice concentration (0..1) at which a cell belongs to the
    region, default 0.3. explained_leads: forecast steps that are explained, default 1, 2, 3 and 6.
    """

    cases: Literal["record_low"] | tuple[Month, ...] = "record_low"
    roi: tuple[Month, Month] | dict[Literal["polygon"], list[tuple[float, float]]] | str = "record_low"
    roi_threshold: float = Field(0.3, gt=0, lt=1)
    explained_leads: tuple[Positive, ...] = Field((1, 2, 3, 6), min_length=1)


SECTIONS: dict[str, type[Strict]] = {
    "data": Data,
    "samples": Sampling,
    "training": Training,
    "pretraining": Pretraining,
    "boosting": Boosting,
    "forecast": Forecasting,
    "trajectories": Trajectories,
    "importance": Importance,
    "attribution": Attribution,
    "walk": Walking,
}


def suggestion(key: str, *, section: str | None = None) -> str:
    """Return "; did you mean 'training.epochs'?" for the settings whose names are nearest to `key`.

    section: where the key was found; its settings are searched first. If no name is near, return a
    list of the settings of the section, or of all sections.
    """
    dotted = [f"{name}.{field}" for name, model in SECTIONS.items() for field in model.model_fields]
    bare = {name: name.partition(".")[2] for name in dotted}
    own_settings = [name for name in dotted if name.startswith(f"{section}.")]
    for names, cutoff in ((own_settings, 0.7), (dotted, 0.5)):
        close = difflib.get_close_matches(key, {bare[name] for name in names}, n=1, cutoff=cutoff)
        if close:
            matching = [repr(name) for name in names if bare[name] == close[0]]
            return f"; did you mean {' or '.join(matching)}?"
    return f"; choose one of {', '.join(own_settings or SECTIONS)}"
