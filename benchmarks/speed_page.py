"""Writes the tables and figures of `docs/speed.md` from `benchmarks/records`, so that none of them comes from the keyboard.

Run after the benchmarks: python benchmarks/speed_page.py
"""

import json
import math
import re
from pathlib import Path

from seaice import paths
from seaice.config import runfile
from seaice.networks import costs
from seaice.run import estimates

RECORDS = Path(__file__).parent / "records"
PAGE = paths.root() / "docs" / "speed.md"
ASSUMED_SHARE = 0.4  # of a GPU's stated peak, where none has been measured: the aim of the training step
STATED_PEAK = 989e12  # dense bfloat16 operations a second of an NVIDIA H200, half of the data sheet's, which counts zeros it skips
GPUS = (1, 8)
POLES = 2
HOUR = 3600
NOT_MEASURED = "not measured: `{}`"


def record(name: str) -> dict | None:
    """A benchmark's record, None where it has not been run."""
    file = RECORDS / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def time(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, length in (("days", 24 * HOUR), ("h", HOUR), ("min", 60)):
        if seconds >= 2 * length:
            return f"{number(seconds / length)} {unit}"
    return f"{number(seconds)} s"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown of a table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)) + "\n"


def share(value: float | None) -> str:
    """A share of a floor or peak in percent; a dash for none."""
    return "-" if value is None else f"{100 * value:.0f} %"


def row(what: str, reference: str, aim: str, name: str, shown, *, command: str | None = None) -> list[str]:
    """A row of the table of aims. shown: of the record, what was measured and its share of the floor."""
    found = record(name)
    command = command or f"python benchmarks/{name}.py"
    return [
        what,
        reference,
        aim,
        *(shown(found) if found else (NOT_MEASURED.format(command), "-")),
        found["date"] if found else "-",
    ]


def assembled(found: dict) -> tuple[str, str]:
    """Sample assembly: on the fly, and the fastest way."""
    ways = {k: v for k, v in found["ratios"].items() if k != "materialised"}
    best = max(ways, key=ways.get)
    memory = f"{found['resident_mb']['on_the_fly']} MB held, base {found['base_array_mb']} MB"
    reached = found["samples_per_second"][best] / found["floor_2_threads_samples_per_second"]
    return f"{found['ratio']}x NumPy, {ways[best]}x {best.replace('_', ' ')}; {memory}", share(reached)


def trained(found: dict) -> tuple[str, str]:
    """Training step: its ratio, and the share of the bfloat16 peak, of a GPU that which its vendor states."""
    taken = found["seconds_per_step"]
    stated = found["share_of_vendor_bf16"]
    return f"{found['ratio']}x ({taken['plain']} to {taken['ours']} s)", share(
        stated or found["share_of_peak"]["ours"]
    )


def ensembled(found: dict) -> tuple[str, str]:
    """Ensemble forecast: its ratio, or of a GPU the seconds of 25 members that stay there."""
    taken, reached = found["seconds_per_member"], share(found["share_of_peak"]["forward_ours"])
    if "service" in taken:
        return f"{number(25 * taken['service'])} s for 25 members, {found['ratio']}x with loading", reached
    measured = f"{found['ratio']}x ({taken['plain']} to {taken['ours']} s a member, {found['members']} members measured)"
    return measured, reached


def preprocessed(found: dict) -> tuple[str, str]:
    """Preprocessing: the ratio by workers, and the largest memory of one."""
    rows = {k: v for k, v in found["workers"].items() if k != "eager"}
    memory = max(v.get("worker_mb", v["process_mb"]) for v in rows.values())
    return ", ".join(
        f"{v['ratio']}x with {k}" for k, v in rows.items()
    ) + f"; {memory} MB a worker at most", "-"


def started(found: dict) -> tuple[str, str]:
    """Cold start: seconds to the forecast and to the product."""
    taken = found["seconds"]
    return (
        f"{taken['forecast']} s, of which imports {taken['import']} s; whole product {taken['product']} s",
        "-",
    )


def aims() -> str:
    """The table of aims and of what was measured."""
    gpu = "KERAS_BACKEND=jax python benchmarks/{}.py"
    step, members = "training step, factor 2, 432 x 432 x 50", "25 members, factor 2, 432 x 432"
    rows = [
        row(
            "sample assembly, 432 x 432 x 50",
            "every sample materialised by copying channels",
            ">= 10x, memory = base once",
            "sample_assembly",
            assembled,
        ),
        row(f"{step}, CPU", "plain Keras `fit`, float32, NumPy batches", ">= 1.5x", "training_step", trained),
        row(
            f"{step}, GPU",
            "the same",
            ">= 40 % of bf16 peak",
            "training_step_gpu",
            trained,
            command=gpu.format("training_step"),
        ),
        row(
            f"{members}, CPU",
            "loading and `model.predict`, one by one",
            ">= 3x",
            "ensemble_forecast",
            ensembled,
        ),
        row(
            f"{members}, GPU",
            "the same",
            "< 0.2 s",
            "ensemble_forecast_gpu",
            ensembled,
            command=gpu.format("ensemble_forecast"),
        ),
        row(
            "permute-and-predict",
            "one forecast after the other",
            ">= 5x",
            "permute_and_predict",
            lambda r: (f"{r['ratio']}x", share(r["share_of_floor"])),
        ),
        row(
            "preprocessing to Zarr",
            "one thread, eager",
            "near-linear, < 2 GB a worker",
            "preprocessing",
            preprocessed,
        ),
        row(
            "cold start, 25 members at demo size",
            "-",
            "< 10 s; figures and products < 20 s more",
            "cold_start",
            started,
        ),
    ]
    return table(["what", "reference in the same run", "aim", "measured", "share of the floor", "date"], rows)


def machines() -> str:
    """Where the records come from, one line a machine."""
    found = {}
    for file in sorted(RECORDS.glob("*.json")):
        where = json.loads(file.read_text())["machine"]
        if isinstance(where, dict):
            text = f"{where['cpu']}, {where['cores']} cores, {where['memory_gb']:.0f} GB"
            text += f", {where['accelerator']}" if where.get("accelerator") else ""
            found.setdefault(text, []).append(file.stem)
    return "\n".join(f"- {text}: {', '.join(f'`{n}`' for n in names)}" for text, names in found.items())


def counted() -> str:
    """Operations and bytes of the published network, and its place under the roof of the machine."""
    shape, options = (432, 432), {"filters_factor": 2.0}
    flops, moved = costs.forward(shape, 50, **options), costs.moved(shape, 50, **options)
    lines = [
        f"One forward pass of the published network (factor 2, 432 x 432 x 50) takes {flops / 1e12:.3f} TFLOP, "
        f"a product and a sum counted as two; its convolutions read and write at least {moved / 1e9:.2f} GB in float32, "
        "half of that in bfloat16: "
        f"{flops / moved:.0f} operations a byte. A training step is {costs.TRAINING} forward passes."
    ]
    step = record("training_step")
    if step:
        roof, copy = step["gflops"], step["copy_gb_per_second"]
        lines.append(
            f"In the run of the training step this machine multiplied matrices at {number(roof['float32'])} GFLOP/s in float32 and "
            f"{number(roof['bfloat16'])} in bfloat16, and copied {number(copy)} GB/s, so that the arithmetic, not the memory, is the "
            f"floor of the convolutions: {number(flops / roof['float32'] / 1e9)} s a forward pass in float32, "
            f"{number(flops / roof['bfloat16'] / 1e9)} s in bfloat16, against {number(moved / copy / 1e9)} s for the bytes."
        )
    return "\n\n".join(lines)


def gaps() -> str:
    """What the seconds of a step and of a member are made of."""
    lines, step, ensemble = [], record("training_step"), record("ensemble_forecast")
    if assembly := record("sample_assembly"):
        copy, rate = assembly["copy_gigabytes_per_second"], assembly["samples_per_second"]
        name = max((name for name in rate if name != "materialised"), key=rate.get)
        floor = assembly["floor_2_threads_samples_per_second"]
        lines.append(
            f"- Sample assembly: a sample reads and writes {assembly['megabytes_per_sample']} MB. Ten times the reference's "
            f"{rate['materialised']:.0f} samples a second would move {assembly['gigabytes_per_second_for_10x']} GB/s, of the "
            f"{copy['2']} GB/s at which two threads of this machine copy. The compiled gather ({name.removeprefix('compiled_')}) reaches "
            f"{share(rate[name] / floor)} of that copy, {share(assembly['channels_first_samples_per_second'] / floor)} if it leaves the "
            "channels first, as the planes lie: what is lacking is laying them last, as the network wants them. NumPy's gather, which "
            f"trainings on a CPU use, reaches {share(rate['on_the_fly'] / assembly['floor_samples_per_second'])} of one thread's copy, "
            "for the same reason."
        )
    if step:
        whole, inner, peak = math.prod(step["shape"][:2]), math.prod(step["window"]), step["share_of_peak"]
        memory = ", ".join(f"{k} {v['resident']} MB" for k, v in step["peak_memory_mb"].items())
        lines.append(
            f"- Training step: the window has {step['window'][0]} x {step['window'][1]} of {step['shape'][0]} x {step['shape'][1]} cells, "
            f"{share(inner / whole)}; plain `fit` reaches {share(peak['plain'])} of the matrix products' speed in float32, ours "
            f"{share(peak['ours'])} of theirs in bfloat16. Peak memory: {memory}."
        )
    if ensemble:
        part, taken = ensemble["parts_seconds"], ensemble["seconds_per_member"]
        rest = taken["plain"] - part["load_model"] - part["forward_plain"]
        lines.append(
            f"- Ensemble: a member of the reference takes {taken['plain']} s: {part['load_model']} s loading, "
            f"{part['forward_plain']} s forward, "
            f"the rest ({rest:.2f} s) what is done anew for each network, such as tracing it. Ours takes "
            f"{taken['ours']} s: {part['read_weights']} s reading weights, {part['forward_ours']} s forward, "
            "and once for all members loading and compiling. The forward pass alone is "
            f"{part['forward_plain'] / part['forward_ours']:.2f}x faster."
        )
    if prepared := record("preprocessing"):
        rows = dict(prepared["workers"])
        spent = "; ".join(
            f"with {k} {v['seconds']} s, in which they computed {v['compute']} s and waited {v['transfer']} s for data, {v['tasks']} tasks"
            for k, v in rows.items()
            if "tasks" in v
        )
        alone = {
            name: f"{rows[name]['seconds']} s and {rows[name]['process_mb']} MB"
            for name in ("eager", "threads")
        }
        lines.append(
            f"- Preprocessing at {prepared['resolution_km']:g} km: {alone['eager']} in one thread that reads all first; {alone['threads']} "
            f"over the threads of one process, as the runner's page does it. Workers: {spent}. On this machine they share the cores with "
            f"scheduler and client.{scaled(rows)}"
        )
    return "\n".join(lines) or NOT_MEASURED.format("python benchmarks/training_step.py")


def scaled(rows: dict[str, dict]) -> str:
    """What more workers gain over one, where one was measured."""
    seconds = {int(name): row["seconds"] for name, row in rows.items() if name.isdigit()}
    if 1 not in seconds or len(seconds) == 1:
        return ""
    return (
        " Over one worker: "
        + ", ".join(f"{seconds[1] / s:.2f}x with {n}" for n, s in seconds.items() if n > 1)
        + "."
    )


def last_exponent(values: list[float], results: list[float]) -> float:
    """Exponent of the power law through the last two points, where what is done once for all weighs least."""
    return math.log(results[-1] / results[-2]) / math.log(values[-1] / values[-2])


def grown() -> str:
    """The fitted exponents, and the figure."""
    found = record("growth")
    if not found:
        return NOT_MEASURED.format("python benchmarks/growth.py") + "\n"
    rows = [
        [
            axis,
            f"{of['values'][0]} to {of['values'][-1]}",
            *(f"n^{of['exponent'][what]:.2f}" for what in ("seconds", "mb")),
            *(f"n^{last_exponent(of['values'], of[what]):.2f}" for what in ("seconds", "mb")),
        ]
        for axis, of in found["axes"].items()
    ]
    return (
        table(["n", "range", "time", "memory", "time, last two points", "memory, last two points"], rows)
        + "\n![Time and memory by axis, with fitted power laws](growth.png)\n"
    )


def plan() -> str:
    """What the full experiment and a daily service would take, from measured rates, else as a bound."""
    run = runfile.load(paths.root() / "params" / "paper.yaml")
    members = len(run.forecast.seeds)
    learning = estimates.pretraining(run) + estimates.training(run)  # of one member
    forward = costs.forward((432, 432), 50, filters_factor=2.0)
    daily = POLES * members * forward
    rows = []

    def add(where: str, members_at_once: int, rate: float, seconds_a_member: float, origin: str) -> None:
        rounds = math.ceil(members / members_at_once)
        passes = math.ceil(POLES * members / members_at_once)
        rows.append([where, time(rounds * learning / rate), time(passes * seconds_a_member), origin])

    step, ensemble = record("training_step_gpu"), record("ensemble_forecast_gpu")
    for count in GPUS:
        where = f"{count} GPU{'s' * (count > 1)}"
        if step and ensemble:
            rate = step["samples_per_second"]["ours"] * costs.TRAINING * forward
            add(
                f"{where} ({step['machine']['accelerator']})",
                count,
                rate,
                ensemble["seconds_per_member"]["service"],
                "measured rates",
            )
        else:
            rate = ASSUMED_SHARE * STATED_PEAK
            add(
                where,
                count,
                rate,
                forward / rate,
                f"bound: {100 * ASSUMED_SHARE:.0f} % of 989 TFLOP/s, an assumption",
            )
    step, ensemble = record("training_step"), record("ensemble_forecast")
    if step and ensemble:
        rate = step["samples_per_second"]["ours"] * costs.TRAINING * forward
        for where, count in (
            (f"CPU, one machine of {step['machine']['cores']} cores", 1),
            (f"CPU cluster, {members} of them", members),
        ):
            add(where, count, rate, ensemble["seconds_per_member"]["ours"], "measured rates")
    else:
        rows.append(
            [
                "CPU",
                "not measured",
                "not measured",
                "`python benchmarks/training_step.py`, `python benchmarks/ensemble_forecast.py`",
            ]
        )
    samples = estimates.simulated(run.data.simulations, run.samples.table)
    head = (
        f"The full experiment (`params/paper.yaml`): {members} members, each {samples:,} simulated samples x "
        f"{run.pretraining.epochs} epochs, then {run.training.epochs} epochs of fine-tuning at most, with their validations: "
        f"{learning / 1e15:.0f} PFLOP a member, "
        f"{members * learning / 1e18:.1f} EFLOP in all. The daily circumpolar service: {members} members for each of {POLES} poles, one "
        f"forward pass each, {daily / 1e12:.0f} TFLOP a day.\n\n"
    )
    return head + table(["where", "full experiment", "daily forecasts of both poles", "from"], rows)


BLOCKS = {"aims": aims, "machines": machines, "counted": counted, "gaps": gaps, "growth": grown, "plan": plan}


def page(text: str) -> str:
    """The page with every block between its two marks made anew."""
    for name, make in BLOCKS.items():
        block = re.compile(rf"(?<=<!-- {name} -->\n).*(?=<!-- /{name} -->)", re.DOTALL)
        text = block.sub(lambda _, make=make: make().rstrip() + "\n", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
