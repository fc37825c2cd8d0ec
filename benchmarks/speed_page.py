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
ON_GPU = "python benchmarks/gpu.py"
RUNTIMES = {  # way of `forecast_peers`: its name on the page
    "ours_tensorflow": "this project, TensorFlow",
    "ours_jax": "this project, JAX",
    "keras_tensorflow": "Keras `predict` loop, TensorFlow",
    "keras_jax": "Keras `predict` loop, JAX",
    "onnx": "ONNX Runtime",
}


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
    """Describe the training step: its ratio, and the share of the matrix products' speed in bfloat16."""
    seconds = content["seconds_per_step"]
    measured = f"{content['ratio']}x ({number(seconds['plain'])} to {number(seconds['ours'])} s)"
    return measured, share(content["share_of_peak"]["ours"])


def describe_training_on_gpu(content: dict) -> tuple[str, str]:
    """Describe the training step on a GPU: samples a second and memory, also with larger batches."""
    measured, reached = describe_training(content)
    larger = record("training_step_batch_16_gpu")
    for step in (content, larger) if larger else (content,):
        measured += (
            f"; batch {step['batch_size']}: {number(step['samples_per_second']['ours'])} samples a second, "
            f"{share(step['share_of_peak']['ours'])}, {step['peak_memory_mb']['ours'].get('device', '-')} MB"
        )
    return measured, reached


def describe_curve(content: dict) -> tuple[str, str]:
    """Describe a real training on a GPU by the losses of its first and its best validation."""
    losses = content["history"]["val_loss"]
    measured = (
        f"validation loss {number(losses[0])} to {number(min(losses))} in {content['batches']} batches and "
        f"{time(content['seconds'])}; {number(content['samples_per_second'])} samples a second"
    )
    return measured, "-"


def describe_throughput(content: dict) -> tuple[str, str]:
    """Describe the training of the demo's ensemble: all members together, and with the starts."""
    ways = content["ways"]
    rates = " to ".join(number(ways[way]["samples_per_second"]) for way in ("before", "now"))
    measured = (
        f"{content['ratio']}x ({rates} samples a second), {content['ratio_with_starts']}x with all starts; "
        f"{ways['now']['peak_memory_mb']} MB in one process, before {ways['before']['peak_memory_mb']} MB"
    )
    return measured, share(ways["now"]["share_of_peak"])


def paired(content: dict, *parts: str) -> str:
    """Write the seconds of some parts of a run now, and of the code before where it was measured."""
    seconds = {
        way: sum(measured[part]["seconds"] for part in parts)
        for way, measured in content["ways"].items()
        if measured.keys() >= set(parts)
    }
    before = f" (before {number(seconds['before'])} s)" if "before" in seconds else ""
    return (f"{number(seconds['now'])} s" if "now" in seconds else "-") + before


def describe_run(content: dict) -> tuple[str, str]:
    """Describe what a command takes from a bare clone, its environment included if it was measured."""
    whole = paired(content, *(["environment"] if content["installer"] else []), "run")
    memory = content["ways"].get("now", {}).get("run", {}).get("peak_memory_mb", "-")
    without = "" if content["installer"] else ", without the environment"
    return f"{whole}{without}, {memory} MB", "-"


def describe_again(content: dict) -> tuple[str, str]:
    """Describe what the same run takes after the code of a figure changed, and how many steps ran."""
    steps = content["ways"].get("now", {}).get("again", {}).get("steps", [])
    return f"{paired(content, 'again')}, steps executed: {len(steps)}", "-"


def describe_environment(content: dict) -> tuple[str, str]:
    """Describe how long the environment takes, and which program installed it."""
    if not content["installer"]:
        return "not measured: it was there", "-"
    return f"{paired(content, 'environment')} with {content['installer']}", "-"


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
    """Describe preprocessing: two workers against one, threads against one, and a worker's memory."""
    rows = {name: values for name, values in content["workers"].items() if name != "eager"}
    memory = max(values.get("worker_mb", values["process_mb"]) for values in rows.values())
    ratios = ", ".join(
        f"{values['ratio']}x with {name}{'' if name == 'threads' else ' workers'}"
        for name, values in rows.items()
    )
    more = f"; {scaled(rows)}" if scaled(rows) else ""
    return f"{ratios}{more}; at most {memory} MB per worker", "-"


def describe_start(content: dict) -> tuple[str, str]:
    """Describe the cold start: seconds to the forecast and to the product."""
    seconds = content["seconds"]
    before = f" (before {content['seconds_before']['forecast']} s)" if "seconds_before" in content else ""
    measured = (
        f"{seconds['forecast']} s{before}, of which imports {seconds['import']} s; "
        f"whole product {seconds['product']} s"
    )
    return measured, "-"


def aims() -> str:
    """Write the table of aims and measurements."""
    step, members = "training step, factor 2, 432 x 432 x 50", "25 members, factor 2, 432 x 432"
    before, whole = "the code before", "python benchmarks/whole_run.py"
    demo = {"command": whole}
    gpu = {"command": ON_GPU}
    rows = [
        row("`make demo` from a bare clone", before, "< 300 s, < 1500 MB", "demo_run", describe_run, **demo),
        row("again after a figure's code changed", before, "< 20 s", "demo_run", describe_again, **demo),
        row("environment", before, "< 45 s with uv", "demo_run", describe_environment, **demo),
        row("`make test`", before, "< 600 s", "test_run", describe_run, command=f"{whole} test"),
        row(
            "`make test-quick`",
            before,
            "< 120 s",
            "test-quick_run",
            describe_run,
            command=f"{whole} test-quick",
        ),
        row("training the demo's ensemble", before, ">= 2.5x", "ensemble_training", describe_throughput),
        row("cold start, 25 members at demo size", before, "< 7 s", "cold_start", describe_start),
        row(
            "preprocessing to Zarr, 25 km",
            "one thread, all sources read first",
            ">= 1.6x with 2 workers against 1, < 2 GB each",
            "preprocessing",
            describe_preprocessing,
        ),
        row(
            "sample assembly, 432 x 432 x 50",
            "every sample stored, made by copying channels",
            ">= 10x, base array in memory once",
            "sample_assembly",
            describe_assembly,
        ),
        row(
            "permute-and-predict",
            "one forecast after the other",
            ">= 5x",
            "permute_and_predict",
            lambda content: (f"{content['ratio']}x", share(content["share_of_floor"])),
        ),
        row(f"{step}, CPU", "plain Keras `fit`, float32", ">= 1.5x", "training_step", describe_training),
        row(
            f"{step}, GPU",
            "the same",
            ">= 40 % of the matrix products",
            "training_step_gpu",
            describe_training_on_gpu,
            **gpu,
        ),
        row(
            f"{members}, CPU",
            "loading and `model.predict`",
            ">= 3x",
            "ensemble_forecast",
            describe_ensemble,
        ),
        row(f"{members}, GPU", "the same", "< 0.2 s", "ensemble_forecast_gpu", describe_ensemble, **gpu),
        row(
            "training, factor 2, simulated Arctic, GPU",
            "-",
            "the loss falls",
            "training_gpu",
            describe_curve,
            **gpu,
        ),
    ]
    return table(["what", "reference in the same run", "aim", "measured", "share of the floor", "date"], rows)


def runtimes() -> str:
    """Write what a forecast takes under other runtimes, and which of them to take where."""
    content = record("forecast_peers")
    if content is None:
        return NOT_MEASURED.format("python benchmarks/forecast_peers.py")
    rows, advice = [], []
    for way, name in RUNTIMES.items():
        cells = []
        for size in content["sizes"].values():
            row = size["ways"][way]
            measured = "seconds" in row
            reason = row.get("left_out") or f"failed: {row.get('failed')}"
            cells += (
                [f"{number(row['seconds'])} s", f"{number(row['member'])} s"] if measured else [reason, "-"]
            )
        rows.append([name, *cells])
    head = ["way"]
    for name, size in content["sizes"].items():
        done = {way: row for way, row in size["ways"].items() if way in RUNTIMES and "seconds" in row}
        first, member = (
            min(done, key=lambda way, what=what: done[way][what]) for what in ("seconds", "member")
        )
        head += [f"{name}, {content['members']} members", "one more member"]
        advice.append(
            f"For the {name} network, {RUNTIMES[first]} has {content['members']} members first, and "
            f"{RUNTIMES[member]} adds the next ones fastest."
        )
        exported = size["ways"]["export"]
        if "seconds" in exported:
            advice.append(
                f"ONNX needs an export before, {number(exported['seconds'])} s for these members, "
                "which is not in its seconds."
            )
    return f"{table(head, rows)}\n{wrapped(' '.join(advice))}"


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
    text = (
        f"One forward pass of the published network (factor 2, 432 x 432 x 50) takes {flops / 1e12:.3f} "
        f"TFLOP and moves at least {moved / 1e9:.2f} GB in float32, half of that in bfloat16; a training "
        f"step is counted as {costs.TRAINING} forward passes."
    )
    step = record("training_step")
    if step:
        speed, copy = step["gflops"], step["copy_gb_per_second"]
        text += (
            f" The machine of the training step multiplied matrices at {number(speed['float32'])} GFLOP/s "
            f"in float32 and {number(speed['bfloat16'])} in bfloat16, and copied {number(copy)} GB/s. The "
            f"arithmetic is the floor: {number(flops / speed['bfloat16'] / 1e9)} s a pass in bfloat16, "
            f"against {number(moved / copy / 1e9)} s for the bytes."
        )
    return wrapped(text)


def gaps() -> str:
    """Write what the seconds of each benchmark are made of."""
    sections = {
        "ensemble_training": throughput_gap,
        "sample_assembly": assembly_gap,
        "training_step": training_gap,
        "ensemble_forecast": ensemble_gap,
        "preprocessing": preprocessing_gap,
    }
    contents = {name: record(name) for name in sections}
    lines = [wrapped(write(contents[name])) for name, write in sections.items() if contents[name]]
    return "\n".join(lines) or NOT_MEASURED.format("python benchmarks/training_step.py")


def throughput_gap(content: dict) -> str:
    """Explain what the seconds of the demo's trainings are made of."""
    ways = content["ways"]
    return (
        "- *Demo's ensemble.* "
        + "; ".join(
            f"{name}: {number(way['gflops_of_whole_maps'])} GFLOP/s, {share(way['share_of_peak'])} of the matrix "
            f"products, {number(way['first_step_seconds'])} s to the first step of a process, "
            f"{time(way['demo_seconds'])} for the demo's trainings"
            for name, way in ways.items()
        )
        + "."
    )


def assembly_gap(content: dict) -> str:
    """Explain what sample assembly lacks to the speed of a plain copy."""
    copy, rate = content["copy_gigabytes_per_second"], content["samples_per_second"]
    best = max((name for name in rate if name != "materialised"), key=rate.get)
    floor = content["floor_2_threads_samples_per_second"]
    return (
        f"- *Sample assembly.* Ten times the reference would move {content['gigabytes_per_second_for_10x']} "
        f"GB/s; two threads copy {copy['2']}. The compiled gather "
        f"({best.removeprefix('compiled_')}) reaches {share(rate[best] / floor)} of that copy, and "
        f"{share(content['channels_first_samples_per_second'] / floor)} if it leaves the channels first, "
        "where the network does not need them."
    )


def training_gap(content: dict) -> str:
    """Explain what share of the machine's matrix products the training step reaches."""
    (height, width), (window_height, window_width) = content["shape"][:2], content["window"][:2]
    peak = content["share_of_peak"]
    memory = {name: values["resident"] for name, values in content["peak_memory_mb"].items()}
    return (
        f"- *Training step.* The window has {share(window_height * window_width / (height * width))} of the "
        f"cells. Plain `fit` reaches {share(peak['plain'])} of the matrix products in float32, ours "
        f"{share(peak['ours'])} of those in bfloat16; {memory['plain']} and {memory['ours']} MB."
    )


def ensemble_gap(content: dict) -> str:
    """Explain what the seconds of an ensemble member are made of."""
    parts, seconds = content["parts_seconds"], content["seconds_per_member"]
    rest = seconds["plain"] - parts["load_model"] - parts["forward_plain"]
    return (
        f"- *Ensemble.* A member of the reference: {number(parts['load_model'])} s for loading, "
        f"{number(parts['forward_plain'])} s for the forward pass, {number(rest)} s for tracing and the "
        f"like. Ours: {number(parts['read_weights'])} s for weights, {number(parts['forward_ours'])} s for "
        "the forward pass."
    )


def preprocessing_gap(content: dict) -> str:
    """Explain time and memory of preprocessing in one thread, over threads, and over workers."""
    rows = content["workers"]
    eager, threads = (
        f"{rows[name]['seconds']} s and {rows[name]['process_mb']} MB" for name in ("eager", "threads")
    )
    spent = "; ".join(
        f"{name} workers {values['seconds']} s, computing for {values['compute']} s and waiting for data "
        f"for {values['transfer']} s in all"
        for name, values in rows.items()
        if "tasks" in values
    )
    return (
        f"- *Preprocessing at {content['resolution_km']:g} km.* One thread that reads everything first: "
        f"{eager}; threads: {threads}; {spent}."
    )


def scaled(rows: dict[str, dict]) -> str:
    """Write what more workers gain over one; empty where one worker was not measured."""
    seconds = {int(name): values["seconds"] for name, values in rows.items() if name.isdigit()}
    if 1 not in seconds or len(seconds) == 1:
        return ""
    gains = ", ".join(f"{seconds[1] / s:.2f}x with {n}" for n, s in seconds.items() if n > 1)
    return f"relative to one worker {gains}"


def last_exponent(values: list[float], results: list[float]) -> float:
    """Return the exponent of the power law through the last two points.

    There, whatever is done once for all weighs least.
    """
    return math.log(results[-1] / results[-2]) / math.log(values[-1] / values[-2])


def grown() -> str:
    """Write the exponents of the last two points, and show the figure."""
    content = record("growth")
    if not content:
        return NOT_MEASURED.format("python benchmarks/growth.py") + "\n"
    laws = "; ".join(
        f"{axis} ({points['values'][0]} to {points['values'][-1]}): time n^"
        f"{last_exponent(points['values'], points['seconds']):.2f}, memory n^"
        f"{last_exponent(points['values'], points['mb']):.2f}"
        for axis, points in content["axes"].items()
    )
    return (
        wrapped(f"Between the last two points of each axis: {laws}.")
        + "\n\n![Time and memory by axis, with fitted power laws](growth.png)\n"
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
    text = (
        f"*The full experiment* (`params/paper.yaml`): {members} members, {samples:,} simulated samples x "
        f"{run.pretraining.epochs} epochs, then at most {run.training.epochs} epochs of fine-tuning: "
        f"{learning / 1e15:.0f} PFLOP per member, {members * learning / 1e18:.1f} EFLOP in all. *A daily "
        f"service*: {members} members for each of {POLES} poles, {POLES * members * forward / 1e12:.0f} "
        "TFLOP a day."
    )
    rows = plan_rows(run, learning, forward)
    head = ["where", "full experiment", "daily forecasts of both poles", "from"]
    return f"{wrapped(text)}\n\n{table(head, rows)}"


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


BLOCKS = {
    "aims": aims,
    "runtimes": runtimes,
    "machines": machines,
    "counted": counted,
    "gaps": gaps,
    "growth": grown,
    "plan": plan,
}


def page(text: str) -> str:
    """Return the page with the text between every pair of marks made anew."""
    for name, make in BLOCKS.items():
        block = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)
        text = block.sub(lambda _, make=make: make().rstrip() + "\n", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
