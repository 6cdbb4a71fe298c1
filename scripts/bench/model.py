#!/usr/bin/env python3
"""What a run costs beyond its model: many recommendations, an endpoint that always takes as long, many calls at a time.

    cargo build --release && python3 scripts/bench/model.py [--recommendations 1000] [--in-flight 256] [--delay 200]

Starts an endpoint (scripts/bench/endpoint, built here) that answers each request after so many milliseconds with the
planned sentences, and runs a graph with as many recommendations as asked for, with the endpoint and `--offline` in turn.
The ideal is as many rounds of the delay as the calls at a time leave; the goal is that a run takes at most 1.10 times the
ideal longer than the same run offline. Printed of each round, as the endpoint and the system saw it:

    calls    from the first request to the last answer, and its multiple of the ideal
    before, after    from the start of the process to the first request, from the last answer to its end
    ramp     from the first request to the last of those that are sent without an answer
    turn     from an answer to the request that takes its place, median
    whole    the run less the same run offline, as a multiple of the ideal
    CPU      of the run, user and system, less that of the run offline; that of the endpoint, which has the same cores

First comes a client that does nothing but send and read: nothing can be faster here. `--agent A
--agent B` compares builds, interleaved.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AGENT = Path(os.environ.get("BENCH_AGENT") or ROOT / "target" / "release" / "agent")
GOAL = 1.10


class Endpoint:
    """The endpoint's process."""

    def __init__(self, delay):
        package, target = ROOT / "scripts" / "bench" / "endpoint", ROOT / "target" / "endpoint"
        subprocess.run(["cargo", "build", "--release", "--quiet", "--manifest-path", package / "Cargo.toml",
                        "--target-dir", target], check=True)
        self.program = target / "release" / "endpoint"
        self.process = subprocess.Popen([self.program, "serve", str(delay)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def cpu(self):
        """Seconds of CPU so far: clock_getcpuclockid(3) of the process."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def seen(self):
        """Most at a time, connections, and [(arrived, answered)] in seconds since the epoch, since the last call."""
        print(file=self.process.stdin, flush=True)
        count, most, connections, *times = map(int, self.process.stdout.readline().split())
        assert len(times) == 2 * count
        return most, connections, [(a / 1e9, b / 1e9) for a, b in zip(times[::2], times[1::2])]


def telemetry(path, hosts):
    with open(path, "w") as file:
        for number in range(hosts):
            record = {"timestamp": "2024-05-06T08:00:00Z", "host": f"web-{number}", "cpu_usage": 90 + number % 10}
            file.write(json.dumps(record) + "\n")


def timed(command, **more):
    """Start and end since the epoch, user and system CPU in seconds."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.time()
    subprocess.run(command, check=True, **more)
    ended, after = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    return begun, ended, after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime


def run(agent, arguments, folder, endpoint):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "AGENT_STATE_DIR": str(folder / "state"),
                   "LLM_BASE_URL": f"http://127.0.0.1:{endpoint.port}/v1", "LLM_MODEL": "bench",
                   "LLM_CACHE": arguments.cache, "LLM_CONCURRENCY": str(arguments.in_flight)}
    command = [*arguments.under.split(), agent, "run", ROOT / "graphs" / "default.toml", "--quiet",
               "--input", folder / "fleet.ndjson", "--output", folder / "report.json",
               "--run-record", folder / "record.json"]
    subprocess.run(["rm", "-rf", folder / "state"], check=True)
    begun, ended, user, system = timed(command + ["--offline"], cwd=folder, env=environment)
    off = {"wall": ended - begun, "user": user, "system": system}
    endpoint.seen()
    spent = endpoint.cpu()
    begun, ended, user, system = timed(command, cwd=folder, env=environment)
    spent = endpoint.cpu() - spent
    most, connections, times = endpoint.seen()
    record = json.loads((folder / "record.json").read_text())
    worded = sum(1 for wording in record["wordings"] if wording["source"] == "model")
    if len(times) != arguments.recommendations or worded != arguments.recommendations:
        sys.exit(f"{len(times)} requests came and {worded} recommendations are a model's")
    arrived, answered = sorted(a for a, _ in times), [b for _, b in times]
    at_once = min(arguments.in_flight, len(times))
    return {
        "calls": answered[-1] - arrived[0], "before": arrived[0] - begun, "after": ended - answered[-1],
        "ramp": arrived[at_once - 1] - arrived[0],
        "turn": statistics.median(a - b for a, b in zip(arrived[at_once:], answered)) if len(times) > at_once else 0.0,
        "online": ended - begun, "offline": off["wall"], "whole": ended - begun - off["wall"],
        "user": user, "system": system, "offline_user": off["user"], "offline_system": off["system"],
        "endpoint": spent, "most": most, "connections": connections,
    }


def told(got, ideal, count):
    ms = {name: value * 1000 for name, value in got.items()}
    each = (got["user"] + got["system"] - got["offline_user"] - got["offline_system"]) / count * 1e6
    return (f"calls {ms['calls']:.0f} ms {got['calls'] / ideal:.3f}x; before {ms['before']:.0f}, after {ms['after']:.0f}, "
            f"ramp {ms['ramp']:.0f}, turn {ms['turn']:.2f} ms; run {ms['online']:.0f} ms, offline {ms['offline']:.0f}, "
            f"whole {got['whole'] / ideal:.3f}x; CPU {ms['user']:.0f} + {ms['system']:.0f} ms, offline "
            f"{ms['offline_user']:.0f} + {ms['offline_system']:.0f}: {each:.0f} µs a call; endpoint {ms['endpoint']:.0f} ms; "
            f"{got['most']} at a time over {got['connections']} connections")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recommendations", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--delay", type=int, default=200, help="milliseconds")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cache", default="off", choices=["on", "off"], help="whether accepted answers are kept")
    parser.add_argument("--agent", action="append", type=Path, help="a build; may be given more than once")
    parser.add_argument("--under", default="", help="a program to run it under, such as 'perf record -o FILE'")
    arguments = parser.parse_args()
    ideal = math.ceil(arguments.recommendations / arguments.in_flight) * arguments.delay / 1000
    endpoint = Endpoint(arguments.delay)
    load = os.getloadavg()[0]
    plain = ["ask", str(endpoint.port), str(arguments.recommendations), str(arguments.in_flight), "5000"]
    _, _, user, system = timed([endpoint.program, *plain])
    spent, (_, _, times) = endpoint.cpu(), endpoint.seen()
    alone = times[-1][1] - min(arrived for arrived, _ in times)
    print(f"load {load:.1f}; ideal {ideal * 1000:.0f} ms; the least of clients: {alone * 1000:.0f} ms {alone / ideal:.3f}x, "
          f"CPU {1000 * (user + system):.0f} ms, endpoint {1000 * spent:.0f} ms")
    agents = arguments.agent or [AGENT]
    rounds = {agent: [] for agent in agents}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".env").write_text("")
        telemetry(folder / "fleet.ndjson", arguments.recommendations)
        for _ in range(arguments.rounds):
            for agent, all_of_it in rounds.items():
                all_of_it.append(run(agent.resolve(), arguments, folder, endpoint))
                print(told(all_of_it[-1], ideal, arguments.recommendations), flush=True)
    for agent, all_of_it in rounds.items():
        median = {name: statistics.median(got[name] for got in all_of_it) for name in all_of_it[0]}
        ratios = sorted(got["whole"] / ideal for got in all_of_it)
        print(f"\n{agent}: medians of {len(ratios)}\n{told(median, ideal, arguments.recommendations)}\n"
              f"whole {ratios[0]:.3f} to {ratios[-1]:.3f}, goal {GOAL:.2f}")
    last = [got["whole"] / ideal for got in rounds[agents[-1]]]
    sys.exit(0 if statistics.median(last) <= GOAL else 1)


main()
