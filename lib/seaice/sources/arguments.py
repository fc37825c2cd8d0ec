"""Would anything read what is said of files of one's own? What nothing reads is refused."""

from collections.abc import Iterable, Mapping

from seaice.errors import DataError, nearest
from seaice.sources import local, providers

ANSWERS = {
    "hemisphere": ("north", "south", "both"),
    "cadence": ("hourly", "daily", "monthly"),
    "provider": tuple(providers.PROVIDERS),
    "land": ("coastline",),
}
# What else an entry may say that is read, and what is only kept in it.
KEYS = ("correct_units", "missing_is_open_water", "outages", "doi", "licence", "credentials")
# Conventions that fix the units of their concentrations, whatever the files say.
FIXED_UNITS = ("osisaf", "nsidc_bytes", "nsidc_cdr", "ecmwf_edge")


def check_address(address: str | list[str]) -> None:
    """Raise DataError for no file at all, and for an address on a server."""
    if not address:
        raise DataError("no file is named; name at least one")
    for one in address if isinstance(address, list) else [address]:
        if not local.is_local(one):
            raise DataError(
                f"{one}: is not on this machine; fetch the file and name the copy, or write an entry of the "
                "catalogue with this urlpath"
            )


def check_answers(answers: Mapping, *, source: str) -> None:
    """Raise DataError for a key that nothing reads, and for a value that is none of the valid ones.

    answers: by key of an entry's metadata; None is no answer. source: file, for messages.
    """
    for key, answer in answers.items():
        if key not in (*ANSWERS, *KEYS):
            raise DataError(f"{source}: nothing reads '{key}'{nearest(key, (*ANSWERS, *KEYS))}")
        valid = ANSWERS.get(key)
        if valid and answer is not None and answer not in valid:
            raise DataError(f"{source}: {key} {answer!r} is unknown{nearest(str(answer), valid)}")


def check_corrections(about: Mapping, read: Iterable[str], *, source: str) -> None:
    """Raise DataError for `correct_units` of a variable whose units are not read from the file.

    about: metadata of an entry. read: published names of the variables that are read.
    """
    for name in about.get("correct_units", {}):
        if name not in read:
            raise DataError(f"{source}: correct_units names '{name}', which is not read{nearest(name, read)}")
        if about["provider"] in FIXED_UNITS:
            raise DataError(
                f"{source}: the units of '{name}' are those of the convention {about['provider']}; leave out "
                "correct_units, or name another provider"
            )
