"""The same job by whatever else one would take: scripts beside this repository, in the folder that BENCH_PEERS names.
Each takes the path of NDJSON and prints its answer as JSON. What is not installed is left out, with a note.
"""

import importlib.util
import shlex
import shutil
import subprocess
import sys

from timer import interleaved

# name: program, script, options, and the modules or programs that it needs
PEERS = {
    "DuckDB, columns declared": ("python", "j1_duckdb.py", [], ["duckdb"]),
    "DuckDB, columns inferred": ("python", "j1_duckdb.py", ["--auto"], ["duckdb"]),
    "Polars, schema declared": ("python", "j1_polars.py", [], ["polars"]),
    "node": ("node", "j1_node.mjs", [], ["node"]),
    "plain Python and orjson": ("python", "j1_orjson.py", [], ["orjson"]),
    "LangGraph and orjson": ("python", "j1_langgraph.py", [], ["langgraph", "orjson"]),
    "pandas": ("python", "j1_pandas.py", [], ["pandas"]),
    "pandas with pyarrow": ("python", "j1_pandas.py", ["--pyarrow"], ["pandas", "pyarrow"]),
    "jq": ("sh", "j1_jq.sh", [], ["jq"]),
}


def note(text):
    print(text, file=sys.stderr)


def lacking(folder, program, script, needs):
    """What a peer needs and is not there."""
    found = importlib.util.find_spec if program == "python" else shutil.which
    return [name for name in needs if not found(name)] + [script for _ in range(not (folder / script).exists())]


def commands(folder, file):
    """How to run each of the peers that are there, by name."""
    there = {}
    for name, (program, script, options, needs) in PEERS.items():
        if without := lacking(folder, program, script, needs):
            note(f"left out: {name}, for want of {', '.join(without)}")
            continue
        program = sys.executable if program == "python" else program
        there[name] = shlex.join([program, str(folder / script), str(file), *options])
    return there


def input_of(folder, data, records):
    """What the peers are made for: telemetry in which the worst values and their times have one right answer."""
    file = data / "peers.ndjson"
    if not file.exists():
        program = [sys.executable, folder.parent / "gen_telemetry.py", "-n", str(records), "-o", file]
        subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    return file


def checked(folder, data, there, report):
    """The peers that run, all of which say what the first says, and that what the report says; or there are no figures."""
    answers = {}
    for at, (name, command) in enumerate(there.items()):
        answer = data / f"peer-{at}.json"
        with open(answer, "wb") as out:
            run = subprocess.run(shlex.split(command), stdout=out, stderr=subprocess.PIPE, text=True)
        if run.returncode:
            said = run.stderr.strip().splitlines() or [f"status {run.returncode}"]
            note(f"left out: {name}, which failed: {said[-1]}")
            continue
        answers[name] = answer
    for name, answer in answers.items():
        first = next(iter(answers.values()))
        for script, files in (("same.py", [first, answer]), ("against_report.py", [answer, report])):
            said = subprocess.run([sys.executable, folder / script, *files], capture_output=True, text=True)
            if said.returncode:
                sys.exit(f"no figures, the answers differ by {script}: {name}\n{said.stdout}{said.stderr}")
        note(f"same answers: {name}")
    return {name: there[name] for name in answers}


def ready(folder, data, records, answer):
    """The input of the peers, and those of them that can be timed on it: `answer` has the agent report on a file into
    another, and they say the same."""
    if not folder.is_dir():
        note(f"left out: the peers, for there is no folder {folder}; BENCH_PEERS says where they are")
        return None, {}
    file, report = input_of(folder, data, records), data / "peers-report.json"
    answer(file, report)
    return file, checked(folder, data, commands(folder, file), report)


def measure(ours, there, rounds):
    """Rows of a table of their own: the agent's command and, in turn, each of the others."""
    got = interleaved({"agent": (ours, None), **{name: (command, None) for name, command in there.items()}}, rounds)
    return [(name, f"{wall * 1e3:,.0f} ms", f"{cpu * 1e3:,.0f} ms", f"{peak:,.0f} MB", f"{ratio:.1f}×")
            for name, (wall, cpu, peak, ratio) in got.items()]
