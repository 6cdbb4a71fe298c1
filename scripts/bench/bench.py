#!/usr/bin/env python3
"""Inputs, DuckDB and the table of scripts/bench.sh, which says how it is called.

    bench.py generate FOLDER RECORDS              every form of the input, the same bytes on every machine
    bench.py duckdb FORM FILE                     the job in DuckDB: its answer as JSON
    bench.py measure FOLDER RECORDS ROUNDS FLOOR  checks that the answers are equal, then times; prints the table
    bench.py general FOLDER ROUNDS                only what learning shapes costs where it does not help; needs no peer
"""

import datetime
import json
import math
import os
import platform
import random
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import peers
from timer import interleaved, once

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = Path(os.environ.get("BENCH_PEERS") or ROOT.parent / "shared" / "tools" / "peers")
AGENT = Path(os.environ.get("BENCH_AGENT") or ROOT / "target" / "release" / "agent")
PEER_ROUNDS = 3  # at most: some take half a minute
STANDARD, OTHER = ROOT / "graphs" / "default.toml", HERE / "other.toml"
# form: file, graph, how DuckDB reads it
FORMS = {
    "constant": ("constant.ndjson", STANDARD, "ndjson"),
    "shuffled": ("shuffled.ndjson", STANDARD, "ndjson"),
    "spaced": ("spaced.ndjson", STANDARD, "ndjson"),
    "escaped": ("escaped.ndjson", STANDARD, "ndjson"),
    "array": ("array.json", STANDARD, "array"),
    "csv": ("records.csv", STANDARD, "csv"),
    "other": ("other.ndjson", OTHER, "ndjson"),
}
TITLES = {
    "constant": "NDJSON of one shape", "shuffled": "keys shuffled in every record", "spaced": "random white space",
    "escaped": "escapes in strings", "array": "JSON array", "csv": "CSV",
    "other": "six nested metrics, 10 % of a second shape",
}
# Where lines do not repeat their shape, or not plainly: the goal is at most so many times our own general path.
HOSTILE, GENERAL_GOAL, GENERAL = ("shuffled", "spaced", "escaped"), 1.05, {"AGENT_SCANNER": "off"}
METRICS = ["cpu_usage", "memory_usage", "latency_ms", "disk_usage", "network_in_kbps", "network_out_kbps", "io_wait",
           "thread_count", "active_connections", "error_rate", "uptime_seconds", "temperature_celsius",
           "power_consumption_watts"]
SERVICES = ["database", "api_gateway", "cache"]
NESTED = {"spindle": ["torque_nm", "wobble_um"], "coolant": ["flow_lpm", "acidity"], "ram": ["tonnage_kn", "dwell_ms"]}


# Inputs


def values(at, rng):
    """The thirteen metrics of one record: a day's load, and now and then something out of the ordinary."""
    noise, load = rng.random, 0.5 - 0.45 * math.cos(at % 86400 / 86400 * 2 * math.pi)
    odd = 1.6 if at % 7919 < 40 else 1.0
    return [int(20 + 45 * load * odd + 8 * noise()), int(45 + 15 * load * odd + 8 * noise()),
            int(90 + 90 * load * odd + 30 * noise()), 50 + at // 100000 % 30, int(600 + 900 * load * odd + 300 * noise()),
            int(500 + 800 * load * odd + 200 * noise()), int(2 + 4 * load * odd + 3 * noise()), int(110 + 50 * load * odd),
            int(20 + 50 * load * odd + 10 * noise()), round(0.005 + 0.03 * load * odd + 0.02 * noise(), 4),
            360000 + at, int(45 + 18 * load * odd + 4 * noise()), int(180 + 110 * load * odd + 40 * noise())]


def spaced(pairs, rng):
    blank = lambda: rng.choice(("", "", " ", "  ", "\t"))
    colon = lambda text: re.sub("[:,{}]", lambda m: blank() + m[0] + blank(), text) if text[0] == "{" else text
    return "{" + ",".join(f"{blank()}{key}{blank()}:{blank()}{colon(text)}{blank()}" for key, text in pairs) + "}"


def joined(pairs):
    return "{" + ",".join(f"{key}:{text}" for key, text in pairs) + "}"


def second(at):
    stamp = datetime.datetime(2024, 1, 1) + datetime.timedelta(seconds=at)
    return stamp.strftime("%Y-%m-%dT%H:%M:%SZ")


def other_record(at, row, rng):
    """Six metrics in three objects; every tenth record, on average, has one of them and things that nobody asks for."""
    if rng.random() < 0.1:
        return {"shift": rng.choice("abc"), "coolant": {"flow_lpm": row[6], "filter": "ok"}, "at": second(at)}
    nested = iter((row[4] / 10, row[0] / 8, row[6], 7 + row[9], row[12], row[2]))
    return {"at": second(at), **{part: {name: next(nested) for name in NESTED[part]} for part in NESTED}}


def generate(folder, records):
    sources = "".join(path.read_text() for path in (ROOT / "src").rglob("*.rs"))
    for name in (name for names in NESTED.values() for name in names):
        assert name not in sources, f"{name} occurs in src/, so the other shape is not another one"
    if all((folder / file).exists() for file, _, _ in FORMS.values()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(42)
    out = {form: open(folder / file, "w", newline="") for form, (file, _, _) in FORMS.items()}
    out["array"].write("[")
    out["csv"].write(",".join(["timestamp", *METRICS, *(f"service_status.{s}" for s in SERVICES)]) + "\n")
    for at in range(records):
        row, stamp = values(at, rng), second(at)
        status = ["degraded" if at % (5003 + 700 * i) < 20 else "online" for i in range(len(SERVICES))]
        texts = [str(value) for value in row]
        quoted = [f'"{service}":"{word}"' for service, word in zip(SERVICES, status)]
        pairs = [('"timestamp"', f'"{stamp}"'), *((f'"{name}"', text) for name, text in zip(METRICS, texts)),
                 ('"service_status"', "{" + ",".join(quoted) + "}")]
        line = joined(pairs)
        out["constant"].write(line + "\n")
        out["array"].write((",\n" if at else "\n") + line)
        out["csv"].write(",".join([stamp, *texts, *status]) + "\n")
        out["spaced"].write(spaced(pairs, rng) + "\n")
        note = ('"note"', f'"disk \\"sd{at % 7}\\"\\t\\u00e9tat \\\\ ok\\n"')
        escaped = [(key, text.replace("online", "onl\\u0069ne")) for key, text in [*pairs, note]]
        out["escaped"].write(joined(escaped) + "\n")
        rng.shuffle(pairs)
        out["shuffled"].write(joined(pairs) + "\n")
        out["other"].write(json.dumps(other_record(at, row, rng), separators=(",", ":")) + "\n")
    out["array"].write("\n]\n")
    for file in out.values():
        file.close()


# The peer


def rules(form):
    """Bands by metric, and the insights, of a form's graph."""
    graph = FORMS[form][1]
    wanted = tomllib.loads(graph.read_text())["nodes"]
    written = tomllib.loads((graph.parent / wanted["anomalies"]["rules"]).read_text())["metrics"]
    bands = {metric: [(b, rule[b]) for b in ("high", "medium", "low") if b in rule] for metric, rule in written.items()}
    standard = {"average_latency_ms": ("latency_ms", "mean"), "max_cpu_usage": ("cpu_usage", "max"),
                "max_memory_usage": ("memory_usage", "max"), "error_rate": ("error_rate", "mean"),
                "uptime_seconds": ("uptime_seconds", "newest")}
    own = wanted["insights"].get("values")
    return bands, {name: (v["metric"], v["stat"]) for name, v in own.items()} if own else standard


def duckdb_answer(form, file):
    import duckdb

    bands, insights = rules(form)
    if form == "other":
        stamp = '"at"'  # a keyword of SQL
        columns = {"at": "VARCHAR", **{part: f"STRUCT({', '.join(f'{n} DOUBLE' for n in names)})" for part, names in NESTED.items()}}
    else:
        stamp = "timestamp"
        columns = {"timestamp": "VARCHAR", **dict.fromkeys(METRICS, "DOUBLE")}
        columns |= ({f"service_status.{s}": "VARCHAR" for s in SERVICES} if form == "csv" else
                    {"service_status": f"STRUCT({', '.join(f'{s} VARCHAR' for s in SERVICES)})"})
    declared = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items()) + "}"
    source = {"ndjson": f"read_ndjson('{file}', columns={declared})", "csv": f"read_csv('{file}', header=true, columns={declared})",
              "array": f"read_json('{file}', format='array', columns={declared})"}[FORMS[form][2]]
    stat = {"mean": "avg({})", "max": "max({})", "newest": f"arg_max({{}}, {stamp})"}
    select = ["count(*)", *(stat[how].format(metric) for metric, how in insights.values())]
    for metric, steps in bands.items():
        select += [f"max({metric})", f"arg_max({stamp}, {metric})", *(f"count(*) FILTER ({metric} >= {bound})" for _, bound in steps)]
    if form != "other":
        select += [f'arg_max("service_status.{s}", {stamp})' if form == "csv" else f"arg_max(service_status.{s}, {stamp})" for s in SERVICES]
    row = iter(duckdb.connect().execute(f"SELECT {', '.join(select)} FROM {source}").fetchone())
    answer = {"records": next(row), "insights": {name: next(row) for name in insights}, "anomalies": {}}
    for metric, steps in bands.items():
        worst, _ = next(row), next(row)
        counts = [(severity, bound, next(row)) for severity, bound in steps]
        reached = next(((severity, bound) for severity, bound, count in counts if count), None)
        if reached:
            answer["anomalies"][metric] = [*reached, worst, counts[-1][2]]
    answer["services"] = {service: next(row) for service in (SERVICES if form != "other" else [])}
    return answer


def agent_answer(report):
    """What DuckDB is asked for, out of a report."""
    anomalies = {}
    for anomaly in report["anomalies"]:
        if not anomaly["metric"].startswith("service_status."):
            reached = re.search(r"([\d,]+) of ([\d,]+) records (?:were|was) at or above", anomaly["description"])
            count = int(reached[1].replace(",", ""))
            anomalies[anomaly["metric"]] = [anomaly["severity"], anomaly["threshold"], anomaly["value"], count]
    summary = report["service_status_summary"]
    return {"insights": report["insights"], "anomalies": anomalies,
            "services": {service: status for status, services in summary.items() for service in services}}


def same(one, other):
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=1e-6, abs_tol=1e-9)
    return one == other


# What is measured


def general_path(got):
    """Our time over that with the scanner off, from one interleaved run of both."""
    ours, general = got["agent"], got["general path"]
    return f"{1 / general[3]:.2f}× our own general path (goal {GENERAL_GOAL}; CPU {ours[1] / general[1]:.2f}×)"


def run_of(graph, file):
    return f"{AGENT} run {graph} --input {file} --offline --output /dev/null -q"


def answer(graph, file, report):
    command = f"{AGENT} run {graph} --input {file} --offline --no-journal -q --output {report}"
    subprocess.run(shlex.split(command), check=True)


def check(form, file, report):
    """The report and DuckDB say the same, or there are no figures."""
    answer(FORMS[form][1], file, report)
    ours = agent_answer(json.loads(report.read_text()))
    peer = json.loads(subprocess.check_output([sys.executable, __file__, "duckdb", form, file]))
    peer.pop("records")
    if not same(ours, peer):
        sys.exit(f"no figures, the answers differ: {form}\nagent  {ours}\nduckdb {peer}")
    print(f"same answers: {form}", file=sys.stderr)


def measure(folder, records, rounds, floor):
    for form, (file, _, _) in FORMS.items():
        check(form, folder / file, folder / "report.json")
    common, others = peers.ready(PEERS, folder, records, lambda file, report: answer(STANDARD, file, report))
    table, peer_rounds = [], min(PEER_ROUNDS, rounds)
    for form, (file, graph, _) in FORMS.items():
        file = folder / file
        commands = {"agent": (run_of(graph, file), None), "duckdb": (f"{sys.executable} {__file__} duckdb {form} {file}", None)}
        if form == "constant":
            commands["one thread"] = (run_of(graph, file), {"AGENT_THREADS": "1"})
            commands["read"] = (f"{floor} read {file} 2", None)
        if form in HOSTILE:
            commands["general path"] = (run_of(graph, file), GENERAL)
        got = interleaved(commands, rounds)
        ours = got["agent"]
        notes = [f"{ours[1] * 1e3:.0f} ms CPU"]
        if form == "constant":
            notes.append(f"{ours[0] / got['read'][0]:.1f}× reading on two threads ({got['read'][0] * 1e3:.0f} ms)")
            notes.append(f"two threads {got['one thread'][3]:.2f}× one")
        if form in HOSTILE:
            notes.append(general_path(got))
        table.append((f"{records:,} records, {TITLES[form]}", f"{ours[0] * 1e3:.0f} ms", f"DuckDB {got['duckdb'][3]:.1f}×", "; ".join(notes)))
    beside = peers.measure(run_of(STANDARD, common), others, peer_rounds) if others else []
    table += memory(folder, records) + start(folder, floor)
    version = subprocess.run([sys.executable, "-c", "import duckdb; print(duckdb.__version__)"], capture_output=True, text=True)
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    print(f"\n{datetime.date.today()}, {machine()}, DuckDB {version.stdout.strip()}, commit {commit.stdout.strip()}, median of {rounds}\n")
    print("| | agent | against | |\n|---|---|---|---|")
    for row in table:
        print("| " + " | ".join(row) + " |")
    if beside:
        print(f"\n{records:,} records as of gen_telemetry.py, each in its own way, median of {peer_rounds}\n")
        print("| | wall | CPU | peak memory | × agent |\n|---|---|---|---|---|")
    for row in beside:
        print("| " + " | ".join(row) + " |")


def general(folder, rounds):
    print("| | agent | against |\n|---|---|---|")
    for form in HOSTILE:
        file, graph, _ = FORMS[form]
        command = run_of(graph, folder / file)
        got = interleaved({"agent": (command, None), "general path": (command, GENERAL)}, rounds)
        print(f"| {TITLES[form]} | {got['agent'][0] * 1e3:.0f} ms | {general_path(got)} |", flush=True)


def memory(folder, records):
    tenfold = folder / "tenfold.ndjson"
    if not tenfold.exists():
        with open(tenfold, "wb") as out:
            for _ in range(10):
                subprocess.run(["cat", folder / "constant.ndjson"], stdout=out, check=True)
    rows = [(count, once(run_of(STANDARD, file))) for count, file in ((records, folder / "constant.ndjson"), (10 * records, tenfold))]
    return [(f"peak memory, {count:,} records", f"{peak:.0f} MB", "", f"{wall * 1e3:.0f} ms") for count, (wall, _, peak) in rows]


def start(folder, floor):
    one = folder / "one.json"
    with open(folder / "constant.ndjson") as lines:
        one.write_text(f"[{lines.readline().strip()}]\n")
    programs = [floor, "parse", one, "--", *shlex.split(run_of(STANDARD, one)), "--", *shlex.split(run_of(STANDARD, one)), "--no-journal"]
    lines = subprocess.check_output([floor, "spawn", "200", *programs], text=True).splitlines()
    hello, ours, bare = (float(line.split()[0]) for line in lines)
    return [("one record, process start to report", f"{ours:.1f} ms", f"{ours / hello:.1f}× a static program that parses it ({hello:.2f} ms)",
             f"{bare:.1f} ms with --no-journal; median of 200")]


def machine():
    names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if Path("/proc/cpuinfo").exists() else []
    return f"{os.cpu_count()} × {names[0] if names else platform.processor()}, {platform.system()} {platform.release()}"


match sys.argv[1:]:
    case ["generate", folder, records]:
        generate(Path(folder), int(records))
    case ["duckdb", form, file]:
        print(json.dumps(duckdb_answer(form, file)))
    case ["measure", folder, records, rounds, floor]:
        measure(Path(folder), int(records), int(rounds), floor)
    case ["general", folder, rounds]:
        general(Path(folder), int(rounds))
    case _:
        sys.exit(__doc__)
