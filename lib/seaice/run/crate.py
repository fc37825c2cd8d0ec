"""How is a run described for others? As an RO-Crate.

It says what was executed, from which inputs, to which outputs, and by which software.
"""

import json
import mimetypes
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from seaice import files, paths
from seaice.fingerprint import digest
from seaice.run import records as run_records

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

NAME = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"  # Process Run Crate
LICENCE = "https://spdx.org/licenses/MIT"  # of this project; inputs have their own


def write(
    run: str,
    *,
    description: str = "",
    steps: Sequence[str] | None = None,
    describe: Callable[[str], Mapping] | None = None,
) -> None:
    """Write `results/<run>/ro-crate-metadata.json` from the records of a run.

    The file holds no path of this machine.
    description: of the run. steps: notebooks of the run; by default those of all records. describe:
    returns what the catalogue says of an entry, default `catalog.metadata`.
    Raises DataError for a run without records.
    """
    # Imported here because it takes 15 MB, which the runner does not need before its last step.
    from rocrate.rocrate import ROCrate

    records = run_records.read_all(run, steps=steps)
    crate = ROCrate()
    crate.name = f"IceNet compendium, run {run}"
    crate.description = description or f"Run {run}"
    crate.license = LICENCE
    crate.datePublished = max(content["end"] for content in records.values())
    crate.root_dataset["conformsTo"] = crate.add(
        _entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    )
    software = _software(crate, records)
    actions = [
        _action(crate, name, content, software, describe or _describe) for name, content in records.items()
    ]
    crate.root_dataset["mentions"] = actions
    files.write_text(
        paths.results(run) / NAME, json.dumps(crate.metadata.generate(), indent=1, sort_keys=True) + "\n"
    )


def _action(
    crate: "ROCrate", name: str, content: Mapping, software, describe: Callable[[str], Mapping]
) -> "ContextEntity":
    """Return the execution of a notebook as an entity, with its inputs, parameters and outputs."""
    notebook = crate.add(
        _entity(
            crate,
            f"#notebook/{content['step']}",
            ["SoftwareSourceCode", "SoftwareApplication"],
            name=f"notebooks/{content['step']}.ipynb",
            programmingLanguage="Python",
            sha256=content["parts"]["notebook"][content["step"]],
            version=content["commit"],
        )
    )
    notebook["softwareRequirements"] = software
    inputs = [_input(crate, entry, sha, describe) for entry, sha in content["parts"]["input"].items()]
    parameters = [
        crate.add(_entity(crate, f"#{name}/{key}", "PropertyValue", name=key, value=_plain(value)))
        for key, value in content["parameters"].items()
    ]
    action = crate.add(
        _entity(
            crate,
            f"#execution/{name}",
            "CreateAction",
            name=f"Execution of {name}",
            startTime=content["start"],
            endTime=content["end"],
            actionStatus="http://schema.org/CompletedActionStatus",
        )
    )
    action["instrument"] = notebook
    action["object"] = inputs + parameters
    action["result"] = [_output(crate, label, output) for label, output in content["outputs"].items()]
    return action


def _output(crate: "ROCrate", label: str, output: Mapping):
    """Return an output as an entity.

    A file of the results is data of the crate. A file in `data/` is only described, because it is
    not in the crate.
    """
    about = {"contentSize": str(output["bytes"]), "sha256": output["sha256"]}
    top, run, rest = label.split("/", 2)
    if top == "data":
        return crate.add(
            _entity(crate, f"#{label}", "CreativeWork", name=label, description="not in this crate", **about)
        )
    media_type = "application/x-ipynb+json" if rest.endswith(".ipynb") else mimetypes.guess_type(rest)[0]
    about |= {"name": rest} | ({"encodingFormat": media_type} if media_type else {})
    add = crate.add_dataset if run_records.place(label).is_dir() else crate.add_file
    return add(run_records.place(label), rest, properties=about)


def _input(crate: "ROCrate", entry: str, sha: str, describe: Callable[[str], Mapping]) -> "ContextEntity":
    """Return a raw input as an entity: a catalogue entry with its DOI, licence and checksum."""
    about = describe(entry)
    dataset = crate.add(_entity(crate, f"#input/{entry}", "CreativeWork", name=entry, sha256=sha))
    if about.get("doi"):
        dataset["identifier"] = "https://doi.org/" + quote(about["doi"].split()[0], safe="/:;()")
    for key, name in (("description", "description"), ("licence", "license"), ("provider", "provider")):
        if about.get(key):
            dataset[name] = str(about[key])
    return dataset


def _software(crate: "ROCrate", records: Mapping[str, Mapping]) -> list["ContextEntity"]:
    """Return entities for Python and the distributions that the steps used, and for their lock."""
    versions = {
        name: version for content in records.values() for name, version in content["versions"].items()
    }
    entities = [
        crate.add(
            _entity(crate, f"#software/{name}", "SoftwareApplication", name=name, softwareVersion=version)
        )
        for name, version in sorted(versions.items())
    ]
    lock = paths.root() / "requirements.lock"
    if lock.is_file():
        sha = digest(lock.read_text(encoding="utf-8"))
        entities.append(
            crate.add(_entity(crate, "#requirements.lock", "CreativeWork", name=lock.name, sha256=sha))
        )
    return entities


def _entity(crate: "ROCrate", identifier: str, kind: str | list[str], **properties) -> "ContextEntity":
    """Return an entity with the properties that have a value."""
    from rocrate.model.contextentity import ContextEntity

    properties = {name: value for name, value in properties.items() if value is not None}
    return ContextEntity(crate, identifier, properties={"@type": kind, **properties})


def _plain(value):
    """Return a value that RO-Crate can hold; lists and mappings become JSON text."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _describe(entry: str) -> Mapping:
    """Return what the catalogue says of an entry."""
    # Imported here because it loads Intake, which a run without raw inputs does not need.
    from seaice.sources import catalog

    return catalog.metadata(entry)
