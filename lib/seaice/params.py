"""What may a run file say? The only module that parses run files (`params/*.yaml`)."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from seaice.schema import DataError
from seaice.settings import OPTIONAL, Parameters, Positive, Strict, nearest


class Step(Strict):
    """One notebook, perhaps executed once for every value of one parameter (`foreach`, a list or a shared list's name)."""

    notebook: Annotated[str, Field(pattern=r"^\d\d_\w+$")]
    foreach: dict[str, list[Any] | str] = {}
    parameters: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_foreach(self) -> Self:
        if len(self.foreach) > 1:
            raise ValueError(f"step {self.notebook}: foreach takes one parameter, not {', '.join(self.foreach)}")
        for name, values in self.foreach.items():
            if not isinstance(values, str) and (not values or len(set(map(str, values))) < len(values)):
                raise ValueError(
                    f"step {self.notebook}: foreach '{name}' needs a list of different values, not {values}"
                )
        return self


class Cluster(Strict):
    """Where members run: in the runner, or `workers` at a time on a cluster made here or at the `address` of a Dask scheduler.

    threads_per_worker: threads a notebook may use, default the machine's cores over workers. memory_limit: of the
    worker process as Dask counts it, which does not see its notebook's kernel. options: handed to the cluster's class.
    """

    kind: Literal["local", "slurm", "pbs", "kubernetes"] = "local"
    workers: Positive = 1
    threads_per_worker: Positive | None = None
    memory_limit: str | int | None = None
    address: str | None = None
    options: dict[str, Any] = {}


class Run(Strict):
    """A run file: shared parameters, the notebooks to execute in order, the cluster, and named raw inputs."""

    run: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str = ""
    parameters: Parameters = Parameters()
    steps: list[Step] = Field(min_length=1)
    cluster: Cluster = Cluster()
    inputs: list[str] = []

    @model_validator(mode="after")
    def _steps_agree(self) -> Self:
        names = [step.notebook for step in self.steps]
        if names != sorted(set(names)):
            raise ValueError(f"steps {', '.join(names)} must be different notebooks in the order of their numbers")
        shared = self.shared()
        for step in self.steps:
            for name, values in step.foreach.items():
                if isinstance(values, str) and not isinstance(shared.get(values), list):
                    raise ValueError(
                        f"step {step.notebook}: foreach '{name}' names '{values}', which is no shared list"
                    )
            for member in self.members(step):
                try:
                    self.merged(step, member)
                except ValidationError as error:
                    raise ValueError(f"step {step.notebook}: {plain(error)}") from None
        return self

    def shared(self) -> dict[str, Any]:
        """Shared parameters that the file sets, None where it says null, as plain literals."""
        return self.parameters.model_dump(mode="json", exclude_unset=True)

    def members(self, step: Step) -> list[dict[str, Any]]:
        """Parameter values that tell the members of a step apart; one empty dict for a step without foreach."""
        for name, values in step.foreach.items():
            return [{name: value} for value in (self.shared()[values] if isinstance(values, str) else values)]
        return [{}]

    def merged(self, step: Step, member: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of one member: shared, the step's own, the member's and the run's name, later ones winning.

        Of `OPTIONAL` ones, those that the run does not name are None.

        Raises pydantic's ValidationError where a known parameter has a value that it can't have.
        """
        merged = {**dict.fromkeys(OPTIONAL), **self.shared(), **step.parameters, **member, "run": self.run}
        known = {k: v for k, v in merged.items() if k in Parameters.model_fields}
        return merged | Parameters.model_validate(known).model_dump(mode="json", exclude_unset=True)


def load(path: Path, *, overrides: Iterable[str] = ()) -> Run:
    """Read and check a run file.

    A file with `base: other` is the run file `other.yaml` beside it, but for the keys that it gives: of `parameters` each by
    itself, any other as a whole. overrides: "key=value" with a YAML value; `epochs=2` goes to every step that sets epochs and
    to the shared ones otherwise, `cluster.workers=2` to the cluster. Raises DataError that names the file, the key and what to do.
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
            f"{path}: `run: {run.run}` would write to results/{run.run}; name the run '{path.stem}', like its file"
        )
    return run


def _read(path: Path, *, below: tuple[str, ...] = ()) -> dict:
    """Read a run file and lay it over its base, if it has one. below: files that are laid over this one."""
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
    parameters = {**(merged.get("parameters") or {}), **(raw.get("parameters") or {})}
    return merged | raw | {"parameters": parameters}


def plain(error: Exception) -> str:
    """Say in plain sentences, one a key, what a pydantic error complains of."""
    if not isinstance(error, ValidationError):
        return str(error)
    sentences = []
    for item in error.errors():
        key = ".".join(map(str, item["loc"])) or "run file"
        if item["type"] == "value_error":
            said = str(item["ctx"]["error"])
        elif item["type"] == "missing":
            said = "is missing; add it"
        else:
            said = f"is {item['input']!r}; {item['msg'][0].lower()}{item['msg'][1:]}"
        sentences.append(f"{key}: {said}")
    return "\n  ".join(dict.fromkeys(sentences))


def _override(raw: dict, override: str) -> None:
    key, found, text = override.partition("=")
    if not found:
        raise DataError(f"--set {override}: write it as key=value")
    value = yaml.load(text, _Literals)
    if key.startswith("cluster."):
        raw["cluster"] = (raw.get("cluster") or {}) | {key.removeprefix("cluster."): value}
        return
    steps = [step for step in raw.get("steps") or [] if key in (step.get("parameters") or {})]
    for step in steps:
        step["parameters"][key] = value
    if not steps or key in (raw.get("parameters") or {}):
        raw["parameters"] = (raw.get("parameters") or {}) | {key: value}


class _Literals(yaml.SafeLoader):
    """YAML of plain literals: a key given twice is an error, 5e-4 is a number, a date stays text."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key '{twice[0]}' is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Literals.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
