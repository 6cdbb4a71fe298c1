#!/usr/bin/env python3
"""Memory of a live run over a long time: a followed file grows as fast as the process takes it, with records whose own
times go through half an hour; then the same with a consumer that is much slower than the stream.

    scripts/bench/steady.py [--minutes 30] [--rate 1000] [--rotate 64] [--slow-minutes 5] [--mode fast|slow|both] [AGENT]

fast    `--minutes` of event time with `--rate` records per second of it, of 20 hosts, windows of 10 s, appended to NDJSON.
        The writer keeps a lead of 40 s of event time, rotates the file at `--rotate` MiB (64), and deletes what was read.
        Small files at a high rate (`--rate 10000 --rotate 8`) are a rotation every few hundredths of a second.
slow    `--slow-minutes` of event time in windows of 1 s, to a webhook that answers after 300 ms; the whole input is there
        from the beginning, so that the process could read on at any time.

Prints resident memory (VmRSS) first, at its peak and last, and its slope over the last two thirds of the run (by least
squares over samples every 20 ms; event time goes evenly with the clock), and checks
that every window had all its records. Exit 1 when a window lacks some, or when memory grew by more than `--allow` MB over
the last two thirds. Standard library only; reads /proc, so Linux only.
"""
import argparse, json, os, random, shutil, signal, sys, tempfile, threading, time

import live_run
from live_run import memory

GRAPH = """
name = "steady"

[window]
every = "EVERY"
idle = "1h"

[nodes.telemetry]
kind = "ingest.file"
path = "telemetry.ndjson"
follow = true

[nodes.insights]
kind = "insights"
inputs = { telemetry = "telemetry" }
[nodes.insights.values]
count = { metric = "cpu_usage", stat = "count" }
mean_cpu_usage = { metric = "cpu_usage", stat = "mean" }
max_latency_ms = { metric = "latency_ms", stat = "max" }
"""

LOG = """
[nodes.log]
kind = "output.file"
inputs = { report = "report" }
path = "reports.ndjson"
append = true
"""

ALERT = """
[nodes.alert]
kind = "output.notify"
inputs = { report = "report" }
url = "http://127.0.0.1:PORT/"
when = "always"
"""

HOSTS = 20
LEAD = 40  # seconds of event time that the writer may be ahead of the reports


class SlowHook(live_run.Hook):
    def received(self, *_):
        time.sleep(0.3)


def blocks(rate, rng):
    """Some seconds of records; the second itself is to be put in place of `@`."""
    word = lambda: rng.choices(["online", "degraded", "offline"], [97, 2, 1])[0]
    made = []
    for _ in range(16):
        lines = []
        for n in range(rate):
            cpu = rng.uniform(91, 99) if rng.random() < 0.002 else rng.uniform(10, 65)
            lines.append(
                f'{{"timestamp":"@.{n * 1000 // rate:03d}Z","host":"web-{n % HOSTS}","cpu_usage":{cpu:.1f},'
                f'"memory_usage":{rng.uniform(30, 70):.1f},"latency_ms":{rng.randrange(20, 190)},'
                f'"disk_usage":{rng.uniform(40, 70):.1f},"error_rate":{rng.uniform(0, 0.03):.4f},'
                f'"service_status":{{"database":"{word()}","api_gateway":"online"}}}}\n'
            )
        made.append("".join(lines))
    return made


class File:
    """The followed file, rotated now and then. What was rotated is deleted once the files behind it hold more than `lead`
    bytes, by which the writer may be ahead: by then it is read."""

    def __init__(self, path, size, lead):
        self.path, self.number, self.out = path, 0, open(path, "a")
        self.size, self.keep = size, -(-lead // size) + 1

    def write(self, text):
        if self.out.tell() > self.size:
            self.out.close()
            os.rename(self.path, f"{self.path}.{self.number}")
            if self.number >= self.keep:
                os.remove(f"{self.path}.{self.number - self.keep}")
            self.number += 1
            self.out = open(self.path, "a")
        self.out.write(text)
        self.out.flush()


class Lines:
    """How many lines a growing file has."""

    def __init__(self, path):
        self.path, self.read, self.count = path, 0, 0

    def now(self):
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                file.seek(self.read)
                new = file.read()
            self.read, self.count = self.read + len(new), self.count + new.count(b"\n")
        return self.count


def slope(samples):
    """By least squares, per unit of the first coordinate."""
    n = len(samples)
    mean_x, mean_y = sum(x for x, _ in samples) / n, sum(y for _, y in samples) / n
    spread = sum((x - mean_x) ** 2 for x, _ in samples)
    return sum((x - mean_x) * (y - mean_y) for x, y in samples) / spread if spread else 0.0


def run(mode, a):
    every, minutes = (10, a.minutes) if mode == "fast" else (1, a.slow_minutes)
    seconds = int(minutes * 60)
    folder = tempfile.mkdtemp(prefix="steady-")
    graph = GRAPH.replace("EVERY", f"{every}s") + live_run.REPORT + LOG
    server = live_run.serve(SlowHook) if mode == "slow" else None
    if server:
        graph += ALERT.replace("PORT", str(server.server_port))
    path, begin = os.path.join(folder, "telemetry.ndjson"), 1_700_000_000
    made = blocks(a.rate, random.Random(1))
    second = lambda s: made[s % len(made)].replace("@", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(begin + s)))
    # One record past the end closes the last window.
    past = '{"timestamp":"%s","host":"web-0"}\n' % time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begin + seconds + 60))
    with open(path, "w") as file:
        if mode == "slow":
            file.writelines(second(s) for s in range(seconds))
            file.write(past)
    agent = live_run.start(a.agent, graph, folder)
    begun, samples, done = time.time(), [], threading.Event()
    reports = os.path.join(folder, "reports.ndjson")
    windows = -(-(begin + seconds) // every) - begin // every  # those that have a part of the input

    def sample():
        while not done.wait(0.02) and agent.poll() is None:
            rss = memory(agent.pid)
            if rss is not None:
                samples.append((time.time() - begun, rss))

    sampler = threading.Thread(target=sample)
    sampler.start()
    lines = Lines(reports)
    if mode == "fast":
        file = File(path, a.rotate << 20, LEAD * len(made[0]))
        for s in range(seconds):
            while agent.poll() is None and s - lines.now() * every > LEAD:
                time.sleep(0.002)
            file.write(second(s))
        file.write(past)
    while agent.poll() is None and lines.now() < windows:
        time.sleep(0.05)
    took = time.time() - begun
    done.set()
    sampler.join()
    highest = memory(agent.pid, "VmHWM")
    agent.send_signal(signal.SIGTERM)
    status = agent.wait()
    if server:
        server.shutdown()
    with open(reports) as file:
        counts = [json.loads(line)["insights"]["count"] for line in file]
    shutil.rmtree(folder)
    counted, wanted = sum(count or 0 for count in counts[:windows]), seconds * a.rate
    late = [(t, rss) for t, rss in samples if t > took / 3]
    print(f"{mode}: {wanted} records of {minutes:g} min in {took:.1f} s, {windows} windows, {counted} records in them")
    growth = slope(late) * (late[-1][0] - late[0][0])
    marks = [samples[i * (len(samples) - 1) // 8][1] for i in range(9)]
    print(f"  resident memory, MB: first {samples[0][1]:.1f}, peak {highest:.1f}, last {samples[-1][1]:.1f}; "
          f"at each eighth {' '.join(f'{m:.1f}' for m in marks)}")
    hours = minutes / 60 * 2 / 3
    print(f"  slope over the last two thirds: {growth / hours:+.2f} MB per hour of event time, {growth:+.2f} MB in all")
    return status == 0 and counted == wanted and growth <= a.allow


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=float, default=30)
    arguments.add_argument("--slow-minutes", type=float, default=5)
    arguments.add_argument("--rate", type=int, default=1000)
    arguments.add_argument("--rotate", type=int, default=64, help="MiB after which the file is rotated")
    arguments.add_argument("--mode", choices=["fast", "slow", "both"], default="both")
    arguments.add_argument("--allow", type=float, default=3.0, help="MB that memory may grow by")
    arguments.add_argument("agent", nargs="?", default="target/release/agent")
    a = arguments.parse_args()
    passed = [run(mode, a) for mode in (["fast", "slow"] if a.mode == "both" else [a.mode])]
    sys.exit(0 if all(passed) else 1)


main()
