"""Which settings have ensembles of possible ice?"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from seaice.config.values import Positive, Seed, Strict


class Generator(Strict):
    """How the network learns that draws trajectories.

    epochs: passes over the training split, default 6. members: drawn for each sample while it
    learns, default 2. batch_size: samples in a batch, default 2. learning_rate: of Adam at the
    start, 0..1, default 1e-3; it falls to 0 as a cosine. filters_factor: width, default 0.25.
    """

    epochs: Positive = 6
    members: Annotated[int, Field(ge=2)] = 2
    batch_size: Positive = 2
    learning_rate: float = Field(1e-3, gt=0, lt=1)
    filters_factor: float = Field(0.25, gt=0)


class Trajectories(Strict):
    """Which possible evolutions of the ice are drawn.

    maker: see `trajectories.makers`; None (default): the one that is best on the validation years.
    members: number for each forecast, default 100. seed: of all draws, default 0. inits: number of
    initialisations of each split, at even distances; None (default): all. generator: how the
    network of the maker "generative" learns; None (default): there is none.
    """

    maker: Literal["schaake", "dressing", "independent", "generative"] | None = None
    members: Annotated[int, Field(ge=2)] = 100
    seed: Seed = 0
    inits: Positive | None = None
    generator: Generator | None = None

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if self.maker == "generative" and self.generator is None:
            raise ValueError("the maker 'generative' needs a network; say how it learns, in `generator`")
        return self
