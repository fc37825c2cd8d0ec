"""What may a run file say? This is the only module that parses run files (`params/*.yaml`)."""

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from seaice.config import sections
from seaice.config.possible import Trajectories
from seaice.config.sections import SECTIONS, SHARED, suggestion
from seaice.config.values import Positive, Strict, plain
from seaice.config.walking import Walking
from seaice.errors import DataError, nearest


class Step(Strict):
    """One notebook, executed once, or once for every value of one parameter (`foreach`).

    foreach: name of the parameter -> its values. These are a list, or the name of a setting that is
    a list, such as "forecast.seeds". A notebook that declares the name in the plural (`seeds` for
    `seed`) takes a list of values: `Cluster.members_at_once` of them.
    """

    notebook: Annotated[str, Field(pattern=r"^\d\d_\w+$")]
    foreach: dict[str, list[Any] | str] = {}

    @model_validator(mode="after")
    def _one_foreach(self) -> Self:
        if len(self.foreach) > 1:
            raise ValueError(
                f"step {self.notebook}: foreach takes one parameter, not {', '.join(self.foreach)}"
            )
        for name, values in self.foreach.items():
            if name in SECTIONS or name == "run":
                raise ValueError(
                    f"step {self.notebook}: foreach '{name}' is taken by the run; choose another name"
                )
            if not isinstance(values, str) and (not values or len(set(map(str, values))) < len(values)):
                raise ValueError(
                    f"step {self.notebook}: foreach '{name}' needs a list of different values, not {values}"
                )
        return self


class Cluster(Strict):
    """Where the members of a step run: in the runner, or on a Dask cluster.

    kind, workers: the cluster that is made, and its number of workers; each executes one notebook
    at a time. members_at_once: members that one notebook trains at the same time, each in a thread
    of its own. They share imports and samples, but each takes the memory of a training. address: of
    a Dask scheduler that exists already, which is then used.
    threads_per_worker: threads that a notebook may use; default: the machine's cores divided by
    workers. memory_limit: of the worker process, as Dask counts it; the kernel of the worker's
    notebook is not included. options: arguments of the cluster's class.
    """

    kind: Literal["local", "slurm", "pbs", "kubernetes"] = "local"
    workers: Positive = 1
    members_at_once: Positive = 1
    threads_per_worker: Positive | None = None
    memory_limit: str | int | None = None
    address: str | None = None
    options: dict[str, Any] = {}


class Run(Strict):
    """A run file: sections of settings, notebooks in their order, a cluster and further raw inputs.

    A section that a run can do without is None if the file lacks it.
    inputs: names of catalogue entries that the notebooks read besides those in `data`.
    """

    run: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    data: sections.Data | None = None
    samples: sections.Sampling | None = None
    training: sections.Training = sections.Training()
    pretraining: sections.Pretraining | None = None
    boosting: sections.Boosting = sections.Boosting()
    forecast: sections.Forecasting | None = None
    trajectories: Trajectories = Trajectories()
    importance: sections.Importance = sections.Importance()
    attribution: sections.Attribution = sections.Attribution()
    walk: Walking = Walking()
    steps: list[Step] = Field(min_length=1)
    cluster: Cluster = Cluster()
    inputs: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        for key in values if isinstance(values, Mapping) else ():
            if key == "parameters":
                flat = values[key] if isinstance(values[key], Mapping) else {}
                moved = "".join(f"\n  {name}{suggestion(str(name))}" for name in flat)
                raise ValueError(f"'parameters' is no section; the sections are {', '.join(SECTIONS)}{moved}")
            if key not in cls.model_fields:
                raise ValueError(f"unknown key '{key}'{_suggestion(str(key))}")
        return values

    @model_validator(mode="before")
    @classmethod
    def _pretrained_like_trained(cls, values: Any) -> Any:
        """Copy into `pretraining` what it leaves out and `training` says."""
        if not isinstance(values, Mapping):
            return values
        learning, first = (values.get(name) for name in ("training", "pretraining"))
        if isinstance(learning, Mapping) and isinstance(first, Mapping):
            shared = {name: learning[name] for name in SHARED if name in learning}
            return {**values, "pretraining": {**shared, **first}}
        return values

    @model_validator(mode="after")
    def _data_and_samples_agree(self) -> Self:
        data, samples = self.data, self.samples
        cadence = data.cadence if data else "monthly"
        if cadence == "daily":  # checked at the start, because blending comes after all training
            uses = []
            if self.forecast and self.forecast.blend == "trees":
                uses.append("`blend: trees`")
            if samples and any(channel.variable == "trees" for channel in samples.channels):
                uses.append("the channel 'trees'")
            if uses:
                raise ValueError(
                    f"{' and '.join(uses)} can't be had in a daily run: it has trees at some of its leads "
                    "only; leave out what names them"
                )
        if samples:
            samples.splits.check_apart(n_leads=samples.n_leads, cadence=cadence)
        if data and samples:
            for name, (start, end) in samples.splits.ranges.items():
                if start < data.start or end[:7] > data.end:
                    raise ValueError(
                        f"split '{name}' ({start} to {end}) leaves the data's {data.start} to {data.end}"
                    )
        return self

    @model_validator(mode="after")
    def _trainings_agree(self) -> Self:
        data, first = self.data, self.pretraining
        if bool(first) != bool(data and data.simulations):
            present, absent = "pretraining", "data.simulations"
            if not first:
                present, absent = absent, present
            raise ValueError(f"{present} is given and {absent} is not; give both, or neither (null)")
        for name in ("network", "filters_factor") if first else ():
            pair = getattr(first, name), getattr(self.training, name)
            if pair[0] != pair[1]:
                raise ValueError(
                    f"pretraining.{name} is {pair[0]!r}, and training.{name} {pair[1]!r}: training goes on "
                    "from the weights of pretraining, so give one value"
                )
        return self

    @model_validator(mode="after")
    def _steps_agree(self) -> Self:
        names = [step.notebook for step in self.steps]
        if names != sorted(set(names)):
            raise ValueError(
                f"steps {', '.join(names)} must be different notebooks in the order of their numbers"
            )
        for step in self.steps:
            self.members(step)
        return self

    def section(self, name: str) -> Any:  # each section is a model of its own
        """Return a section by its name. Raises DataError if the run file lacks it."""
        section = getattr(self, name)
        if section is None:
            raise DataError(f"run '{self.run}': the section '{name}' is missing; add it to the run file")
        return section

    def members(self, step: Step) -> list[dict[str, Any]]:
        """Return the parameter values that tell the members of a step apart.

        A step without foreach has one member, an empty dict.
        """
        for name, values in step.foreach.items():
            return [
                {name: value} for value in (self._listed(step, values) if isinstance(values, str) else values)
            ]
        return [{}]

    def _listed(self, step: Step, setting: str) -> list[Any]:
        """Return the values of the setting that a step's foreach names."""
        section, _, name = setting.partition(".")
        values = getattr(getattr(self, section, None), name, None) if section in SECTIONS else None
        if not isinstance(values, list | tuple):
            raise ValueError(
                f"step {step.notebook}: foreach names '{setting}', which is no list of the run"
                f"{suggestion(name or section)}"
            )
        return list(values)


def load(path: Path, *, overrides: Iterable[str] = ()) -> Run:
    """Read and check a run file.

    A file with `base: other` starts from the run file `other.yaml` beside it and replaces the keys
    that it gives: in a section key by key, any other key as a whole. overrides: "section.key=value"
    with a YAML value, such as `training.epochs=2` or `cluster.workers=2`.
    Raises DataError that names the file, the key and what to do.
    """
    path = Path(path)
    raw = _read(path)
    for override in overrides:
        _override(raw, override)
    try:
        run = Run.model_validate(raw)
    except (ValidationError, DataError) as error:
        raise DataError(f"{path}: {plain(error)}") from None
    if run.run != path.stem:
        raise DataError(
            f"{path}: `run: {run.run}` would write to results/{run.run}; "
            f"name the run '{path.stem}', like its file"
        )
    return run


def _read(path: Path, *, below: tuple[str, ...] = ()) -> dict:
    """Read a run file; if it has a base, read that and replace the keys that the file gives.

    below: names of the run files that start from this one.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Literals)
    except FileNotFoundError:
        others = [p.stem for p in path.parent.glob("*.yaml")]
        raise DataError(f"{path}: there is no such run file{nearest(path.stem, others)}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is no YAML that can be read: {error}") from None
    if not isinstance(raw, dict):
        raise DataError(f"{path}: a run file is a mapping with the keys {', '.join(Run.model_fields)}")
    if "base" not in raw:
        return raw
    base = str(raw.pop("base"))
    if base in (*below, path.stem):
        raise DataError(f"{path}: base '{base}' leads back to the file itself; a chain of bases must end")
    merged = _read(path.with_name(f"{base}.yaml"), below=(*below, path.stem))
    for name in SECTIONS:
        if isinstance(merged.get(name), dict) and isinstance(raw.get(name), dict):
            raw[name] = merged[name] | raw[name]
    return merged | raw


def _suggestion(key: str) -> str:
    """Return the nearest valid name for an unknown key: another key, or a setting of a section."""
    close = difflib.get_close_matches(key, Run.model_fields, n=1, cutoff=0.7)
    return f"; did you mean '{close[0]}'?" if close else suggestion(key)


def _override(raw: dict, override: str) -> None:
    """Put a "section.key=value" into the content of a run file."""
    setting, equals, text = override.partition("=")
    if not equals:
        raise DataError(f"--set {override}: write it as key=value")
    first, *inner = setting.split(".")
    if first not in Run.model_fields:
        raise DataError(
            f"--set {override}: there is no '{first}'{_suggestion(inner[-1] if inner else first)}"
        )
    for name in (first, *inner[:-1]) if inner else ():
        raw[name] = dict(raw.get(name) or {})
        raw = raw[name]
    raw[inner[-1] if inner else first] = yaml.load(text, _Literals)


class _Literals(yaml.SafeLoader):
    """YAML of plain literals.

    A key that appears twice is an error, 5e-4 is a number, and a date stays a text.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"key '{twice[0]}' is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep)


_Literals.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
