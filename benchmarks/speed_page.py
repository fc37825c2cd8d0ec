"""How fast is it? Write the tables and figures of `docs/speed.md`.

They come from the records in `benchmarks/records`; no number of the page is typed by hand.
Run after the benchmarks: python benchmarks/speed_page.py
"""

import json
import math
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

from seaice import paths
from seaice.config import runfile
from seaice.config.runfile import Run
from seaice.networks import costs
from seaice.run import estimates

RECORDS = Path(__file__).parent / "records"
PAGE = paths.root() / "docs" / "speed.md"
# Assumed share of a GPU's stated peak where none was measured: the aim of the training step.
ASSUMED_SHARE = 0.4
# Operations a second of an NVIDIA H200 with dense matrices in bfloat16: half of the data sheet's
# number, which counts multiplications by zero that the GPU skips.
STATED_PEAK = 989e12
GPUS = (1, 8)
POLES = 2
HOUR = 3600
COLUMNS = 110  # width of the page's text
NOT_MEASURED = "not measured: `{}`"
ON_GPU = "KERAS_BACKEND=jax python benchmarks/{}.py"


def record(name: str) -> dict | None:
    """Return a benchmark's record, or None if it has not been run."""
    file = RECORDS / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def number(value: float) -> str:
    """Write a number with three significant digits and without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def time(seconds: float) -> str:
    """Write a duration in the unit that suits it."""
    for unit, length in (("days", 24 * HOUR), ("h", HOUR), ("min", 60)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def wrapped(text: str) -> str:
    """Wrap a paragraph or a list item of Markdown at `COLUMNS`."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(
        text, COLUMNS, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def share(value: float | None) -> str:
    """Write a share of a floor or peak in percent, and a dash for None."""
    return "-" if value is None else f"{100 * value:.0f} %"


def row(
    what: str,
    reference: str,
    aim: str,
    name: str,
    describe: Callable[[dict], tuple[str, str]],
    *,
    command: str | None = None,
) -> list[str]:
    """Return one row of the table of aims.

    name: of the record. describe: returns what a record measured, and its share of the floor.
    command: makes the record; default the script of the same name.
    """
    content = record(name)
    if content is None:
        return [
            what,
            reference,
            aim,
            NOT_MEASURED.format(command or f"python benchmarks/{name}.py"),
            "-",
            "-",
        ]
    return [what, reference, aim, *describe(content), content["date"]]


def describe_assembly(content: dict) -> tuple[str, str]:
    """Describe sample assembly: NumPy on the fly, and the fastest method."""
    ratios = {method: ratio for method, ratio in content["ratios"].items() if method != "materialised"}
    best = max(ratios, key=ratios.get)
    memory = f"{content['resident_mb']['on_the_fly']} MB held, base array {content['base_array_mb']} MB"
    reached = content["samples_per_second"][best] / content["floor_2_threads_samples_per_second"]
    return f"{content['ratio']}x NumPy, {ratios[best]}x {best.replace('_', ' ')}; {memory}", share(reached)


def describe_training(content: dict) -> tuple[str, str]:
    """Describe the training step: its ratio, and the share of the peak in bfloat16.

    On a GPU the peak is the one that its vendor states.
    """
    seconds, of_vendor = content["seconds_per_step"], content["share_of_vendor_bf16"]
    measured = f"{content['ratio']}x ({seconds['plain']} to {seconds['ours']} s)"
    return measured, share(of_vendor or content["share_of_peak"]["ours"])


def describe_ensemble(content: dict) -> tuple[str, str]:
    """Describe the ensemble forecast: its ratio, and on a GPU the seconds of 25 members.

    On a GPU the members' weights stay on the device.
    """
    seconds, reached = content["seconds_per_member"], share(content["share_of_peak"]["forward_ours"])
    if "service" in seconds:
        measured = (
            f"{number(25 * seconds['service'])} s for 25 members, {content['ratio']}x including loading"
        )
    else:
        measured = (
            f"{content['ratio']}x ({seconds['plain']} to {seconds['ours']} s per member, "
            f"{content['members']} members measured)"
        )
    return measured, reached


def describe_preprocessing(content: dict) -> tuple[str, str]:
    """Describe preprocessing: the ratio by number of workers, and the largest memory of one."""
    rows = {name: values for name, values in content["workers"].items() if name != "eager"}
    memory = max(values.get("worker_mb", values["process_mb"]) for values in rows.values())
    ratios = ", ".join(
        f"{values['ratio']}x with {name}{'' if name == 'threads' else ' workers'}"
        for name, values in rows.items()
    )
    return f"{ratios}; at most {memory} MB per worker", "-"


def describe_start(content: dict) -> tuple[str, str]:
    """Describe the cold start: seconds to the forecast and to the product."""
    seconds = content["seconds"]
    measured = (
        f"{seconds['forecast']} s, of which imports {seconds['import']} s; "
        f"whole product {seconds['product']} s"
    )
    return measured, "-"


def aims() -> str:
    """Write the table of aims and measurements."""
    step, members = "training step, factor 2, 432 x 432 x 50", "25 members, factor 2, 432 x 432"
    rows = [
        row(
            "sample assembly, 432 x 432 x 50",
            "every sample stored, made by copying channels",
            ">= 10x, base array in memory once",
            "sample_assembly",
            describe_assembly,
        ),
        row(
            f"{step}, CPU",
            "plain Keras `fit`, float32, NumPy batches",
            ">= 1.5x",
            "training_step",
            describe_training,
        ),
        row(
            f"{step}, GPU",
            "the same",
            ">= 40 % of bf16 peak",
            "training_step_gpu",
            describe_training,
            command=ON_GPU.format("training_step"),
        ),
        row(
            f"{members}, CPU",
            "loading and `model.predict`, one member after the other",
            ">= 3x",
            "ensemble_forecast",
            describe_ensemble,
        ),
        row(
            f"{members}, GPU",
            "the same",
            "< 0.2 s",
            "ensemble_forecast_gpu",
            describe_ensemble,
            command=ON_GPU.format("ensemble_forecast"),
        ),
        row(
            "permute-and-predict",
            "one forecast after the other",
            ">= 5x",
            "permute_and_predict",
            lambda content: (f"{content['ratio']}x", share(content["share_of_floor"])),
        ),
        row(
            "preprocessing to Zarr",
            "one thread, all sources read first",
            "near-linear, < 2 GB per worker",
            "preprocessing",
            describe_preprocessing,
        ),
        row(
            "cold start, 25 members at demo size",
            "-",
            "< 10 s; figures and products < 20 s more",
            "cold_start",
            describe_start,
        ),
    ]
    return table(["what", "reference in the same run", "aim", "measured", "share of the floor", "date"], rows)


def machines() -> str:
    """Write which machines the records come from, one line per machine."""
    names_by_machine = {}
    for file in sorted(RECORDS.glob("*.json")):
        machine = json.loads(file.read_text())["machine"]
        if isinstance(machine, dict):
            text = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB"
            text += f", {machine['accelerator']}" if machine.get("accelerator") else ""
            names_by_machine.setdefault(text, []).append(file.stem)
    return "\n".join(
        wrapped(f"- {text}: {', '.join(f'`{name}`' for name in names)}")
        for text, names in names_by_machine.items()
    )


def counted() -> str:
    """Write operations and bytes of the published network, and which of them is the limit."""
    shape, options = (432, 432), {"filters_factor": 2.0}
    flops, moved = costs.forward(shape, 50, **options), costs.moved(shape, 50, **options)
    lines = [
        f"One forward pass of the published network (factor 2, 432 x 432 x 50) takes {flops / 1e12:.3f} "
        "TFLOP, "
        "counting a product and a sum as two operations. Its convolutions read and write at least "
        f"{moved / 1e9:.2f} GB in float32, and half of that in bfloat16. That is {flops / moved:.0f} "
        "operations "
        f"per byte. A training step is counted as {costs.TRAINING} forward passes."
    ]
    step = record("training_step")
    if step:
        speed, copy = step["gflops"], step["copy_gb_per_second"]
        lines.append(
            "During the benchmark of the training step, this machine multiplied matrices at "
            f"{number(speed['float32'])} GFLOP/s in float32 and {number(speed['bfloat16'])} in bfloat16, "
            "and copied "
            f"{number(copy)} GB/s. The floor of the convolutions is therefore the arithmetic and not the "
            "memory: "
            f"{number(flops / speed['float32'] / 1e9)} s per forward pass in float32 and "
            f"{number(flops / speed['bfloat16'] / 1e9)} s in bfloat16, against {number(moved / copy / 1e9)} "
            "s "
            "for the bytes."
        )
    return "\n\n".join(wrapped(line) for line in lines)


def gaps() -> str:
    """Write what the seconds of each benchmark are made of."""
    sections = {
        "sample_assembly": assembly_gap,
        "training_step": training_gap,
        "ensemble_forecast": ensemble_gap,
        "preprocessing": preprocessing_gap,
    }
    contents = {name: record(name) for name in sections}
    lines = [wrapped(write(contents[name])) for name, write in sections.items() if contents[name]]
    return "\n".join(lines) or NOT_MEASURED.format("python benchmarks/training_step.py")


def assembly_gap(content: dict) -> str:
    """Explain what sample assembly lacks to the speed of a plain copy."""
    copy, rate = content["copy_gigabytes_per_second"], content["samples_per_second"]
    best = max((name for name in rate if name != "materialised"), key=rate.get)
    floor = content["floor_2_threads_samples_per_second"]
    return (
        f"- *Sample assembly.* A sample reads and writes {content['megabytes_per_sample']} MB. Ten times the "
        f"reference's {rate['materialised']:.0f} samples a second would move "
        f"{content['gigabytes_per_second_for_10x']} GB/s, while two threads of this machine copy "
        f"{copy['2']} GB/s. "
        f"The compiled gather ({best.removeprefix('compiled_')}) reaches {share(rate[best] / floor)} of "
        "that copy, and "
        f"{share(content['channels_first_samples_per_second'] / floor)} if it leaves the channels first, as "
        "they are "
        "stored. The difference is the time to put the channels last, as the network needs them. NumPy's "
        "gather, "
        "which trainings on a CPU use, reaches "
        f"{share(rate['on_the_fly'] / content['floor_samples_per_second'])} of one thread's copy, for the "
        "same reason."
    )


def training_gap(content: dict) -> str:
    """Explain what share of the machine's matrix products the training step reaches."""
    (height, width), (window_height, window_width) = content["shape"][:2], content["window"][:2]
    peak = content["share_of_peak"]
    memory = {name: values["resident"] for name, values in content["peak_memory_mb"].items()}
    inside = share(window_height * window_width / (height * width))
    return (
        f"- *Training step.* The window has {window_height} x {window_width} of {height} x {width} cells, "
        f"{inside}. "
        f"Plain `fit` reaches {share(peak['plain'])} of the matrix products' speed in float32; ours reaches "
        f"{share(peak['ours'])} of their speed in bfloat16. Peak memory: "
        f"{', '.join(f'{name} {megabytes} MB' for name, megabytes in memory.items())}."
    )


def ensemble_gap(content: dict) -> str:
    """Explain what the seconds of an ensemble member are made of."""
    parts, seconds = content["parts_seconds"], content["seconds_per_member"]
    rest = seconds["plain"] - parts["load_model"] - parts["forward_plain"]
    return (
        f"- *Ensemble.* A member of the reference takes {seconds['plain']} s: {parts['load_model']} s for "
        "loading, "
        f"{parts['forward_plain']} s for the forward pass, and the rest ({rest:.2f} s) for what is done "
        "anew for each "
        f"network, such as tracing it. Ours takes {seconds['ours']} s: {parts['read_weights']} s for "
        "reading weights "
        f"and {parts['forward_ours']} s for the forward pass; loading and compiling are done once for all "
        "members. The "
        f"forward pass alone is {parts['forward_plain'] / parts['forward_ours']:.2f}x faster."
    )


def preprocessing_gap(content: dict) -> str:
    """Explain time and memory of preprocessing in one thread, over threads, and over workers."""
    rows = content["workers"]
    eager, threads = (
        f"{rows[name]['seconds']} s and {rows[name]['process_mb']} MB" for name in ("eager", "threads")
    )
    spent = "; ".join(
        f"{name} workers take {values['seconds']} s for {values['tasks']} tasks; summed over the workers, "
        "they compute "
        f"for {values['compute']} s and wait for data for {values['transfer']} s"
        for name, values in rows.items()
        if "tasks" in values
    )
    return (
        f"- *Preprocessing at {content['resolution_km']:g} km.* One thread that reads everything first "
        f"needs {eager}. "
        f"The threads of one process, as the runner's notebook uses them, need {threads}. With Dask, "
        f"{spent}. On this "
        f"machine the workers share the cores with scheduler and client.{scaled(rows)}"
    )


def scaled(rows: dict[str, dict]) -> str:
    """Write what more workers gain over one; empty where one worker was not measured."""
    seconds = {int(name): values["seconds"] for name, values in rows.items() if name.isdigit()}
    if 1 not in seconds or len(seconds) == 1:
        return ""
    gains = ", ".join(f"{seconds[1] / s:.2f}x with {n}" for n, s in seconds.items() if n > 1)
    return f" Relative to one worker: {gains}."


def last_exponent(values: list[float], results: list[float]) -> float:
    """Return the exponent of the power law through the last two points.

    There, whatever is done once for all weighs least.
    """
    return math.log(results[-1] / results[-2]) / math.log(values[-1] / values[-2])


def grown() -> str:
    """Write the fitted exponents, and show the figure."""
    content = record("growth")
    if not content:
        return NOT_MEASURED.format("python benchmarks/growth.py") + "\n"
    rows = [
        [
            axis,
            f"{points['values'][0]} to {points['values'][-1]}",
            *(f"n^{points['exponent'][what]:.2f}" for what in ("seconds", "mb")),
            *(f"n^{last_exponent(points['values'], points[what]):.2f}" for what in ("seconds", "mb")),
        ]
        for axis, points in content["axes"].items()
    ]
    return (
        table(["n", "range", "time", "memory", "time, last two points", "memory, last two points"], rows)
        + "\n![Time and memory by axis, with fitted power laws](growth.png)\n"
    )


def plan() -> str:
    """Write what the full experiment and a daily service would take.

    Uses measured rates where there are records, otherwise a bound.
    """
    run = runfile.load(paths.root() / "params" / "paper.yaml")
    members = len(run.forecast.seeds)
    learning = estimates.pretraining(run) + estimates.training(run)  # operations, one member
    forward = costs.forward((432, 432), 50, filters_factor=2.0)
    samples = estimates.simulated(run.data.simulations, run.samples.table)
    full = (
        f"*The full experiment* (`params/paper.yaml`): {members} members, each trained on {samples:,} "
        "simulated "
        f"samples x {run.pretraining.epochs} epochs and then for at most {run.training.epochs} epochs of "
        "fine-tuning, "
        f"with their validations. That is {learning / 1e15:.0f} PFLOP per member, "
        f"{members * learning / 1e18:.1f} EFLOP in all."
    )
    daily = (
        f"*A daily service for both poles*: {members} members for each of {POLES} poles, one forward pass "
        "each, "
        f"{POLES * members * forward / 1e12:.0f} TFLOP a day."
    )
    rows = plan_rows(run, learning, forward)
    head = ["where", "full experiment", "daily forecasts of both poles", "from"]
    return f"{wrapped(full)}\n\n{wrapped(daily)}\n\n" + table(head, rows)


def plan_rows(run: Run, learning: float, forward: float) -> list[list[str]]:
    """Return the rows of `plan`.

    learning: operations to train one member. forward: operations of one forward pass.
    """
    members, rows = len(run.forecast.seeds), []

    def add(where: str, members_at_once: int, rate: float, seconds_per_member: float, origin: str) -> None:
        rounds = math.ceil(members / members_at_once)
        passes = math.ceil(POLES * members / members_at_once)
        rows.append([where, time(rounds * learning / rate), time(passes * seconds_per_member), origin])

    step, ensemble = record("training_step_gpu"), record("ensemble_forecast_gpu")
    for count in GPUS:
        where = f"{count} GPU{'s' * (count > 1)}"
        if step and ensemble:
            where += f" ({step['machine']['accelerator']})"
            rate = step["samples_per_second"]["ours"] * costs.TRAINING * forward
            add(where, count, rate, ensemble["seconds_per_member"]["service"], "measured rates")
        else:
            rate = ASSUMED_SHARE * STATED_PEAK
            origin = f"bound: {100 * ASSUMED_SHARE:.0f} % of 989 TFLOP/s, an assumption"
            add(where, count, rate, forward / rate, origin)
    step, ensemble = record("training_step"), record("ensemble_forecast")
    if step and ensemble:
        rate = step["samples_per_second"]["ours"] * costs.TRAINING * forward
        seconds = ensemble["seconds_per_member"]["ours"]
        add(f"CPU, one machine of {step['machine']['cores']} cores", 1, rate, seconds, "measured rates")
        add(f"CPU cluster, {members} of them", members, rate, seconds, "measured rates")
    else:
        commands = "`python benchmarks/training_step.py`, `python benchmarks/ensemble_forecast.py`"
        rows.append(["CPU", "not measured", "not measured", commands])
    return rows


BLOCKS = {"aims": aims, "machines": machines, "counted": counted, "gaps": gaps, "growth": grown, "plan": plan}


def page(text: str) -> str:
    """Return the page with the text between every pair of marks made anew."""
    for name, make in BLOCKS.items():
        block = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)
        text = block.sub(lambda _, make=make: make().rstrip() + "\n", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
