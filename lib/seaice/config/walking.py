"""Which settings has a walk through the record, in which forecasts are made and learnt from?"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seaice.config.values import Month, Positive, Seed, Strict

Strategy = Literal[
    "frozen",
    "frozen_moving",
    "new_year_only",
    "replay",
    "replay_l2",
    "replay_averaged",
    "last_twenty",
    "retrained",
]
STRATEGIES: tuple[Strategy, ...] = Strategy.__args__  # type: ignore[attr-defined]


class Walking(Strict):
    """How a run walks through its record, one update a year.

    start: first year that is forecast, default 1993. Until the validation split begins, all
    strategies are still one, and their forecasts serve to calibrate only. probes: years whose
    months no network ever learns. strategies: how networks learn on, default all, see
    `walk.strategies`. seeds: one for each network of a strategy. update_epochs, update_rate: passes
    over the samples of an update, and learning rate at its start. pull: strength of the pull to the
    weights before an update. averaged: number of updates whose weights are averaged. window: years
    that `last_twenty` learns from. calibrated_on: years before, from which calibration and blend
    are fitted. chosen: the strategy of IceNet, chosen on the validation split; None (default) as
    long as none is, and then no forecast of the test split is judged. breaks: what is known to have
    changed, by its month, for the figures.
    """

    start: Annotated[int, Field(ge=1850)] = 1993
    probes: tuple[int, ...] = ()
    strategies: tuple[Strategy, ...] = Field(STRATEGIES, min_length=1)
    seeds: tuple[Seed, ...] = Field((36,), min_length=1)
    update_epochs: Positive = 3
    update_rate: float = Field(5e-4, gt=0, lt=1)
    pull: float = Field(10.0, ge=0)
    averaged: Positive = 5
    window: Positive = 20
    calibrated_on: Positive = 10
    chosen: Strategy | None = None
    breaks: dict[Month, str] = {}

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if late := [year for year in self.probes if year >= self.start]:
            raise ValueError(
                f"probe year {late[0]} is walked through from {self.start} on; take earlier years"
            )
        if self.chosen and self.chosen not in self.strategies:
            raise ValueError(f"chosen '{self.chosen}' is none of the strategies {[*self.strategies]}")
        return self
