#!/usr/bin/env python3
"""What a run costs beyond its model: many recommendations, an endpoint that always takes as long, many calls at a time.

    cargo build --release && python3 scripts/bench/model.py [--recommendations 1000] [--in-flight 256] [--delay 0.2]

Starts an endpoint of its own that answers each request after the delay with the planned sentences, runs a graph with as
many recommendations as asked for, and compares the time from the first request to the last answer, as the endpoint saw
it, with the ideal: as many rounds of the delay as the calls at a time leave. The goal is 1.10 times the ideal. Also
printed: the whole run, and the same run with `--offline`. Says first how much the endpoint alone adds, measured with
a client of its own; what that is cannot be blamed on the program.
"""

import argparse
import asyncio
import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
AGENT = Path(os.environ.get("BENCH_AGENT") or ROOT / "target" / "release" / "agent")
GOAL = 1.10
PLANNED = re.compile(rb"Planned action: (.*?)\\nPlanned benefit estimate: (.*?)\\n")


class Endpoint(asyncio.Protocol):
    """One connection. Times are of the class: when the first request was there, when the last answer went out."""

    delay, first, last, count, running, most, connections = 0.2, None, 0.0, 0, 0, 0, 0

    @classmethod
    def reset(cls):
        cls.first, cls.last, cls.count, cls.running, cls.most, cls.connections = None, 0.0, 0, 0, 0, 0

    def connection_made(self, transport):
        self.transport, self.buffer = transport, b""
        Endpoint.connections += 1

    def data_received(self, data):
        self.buffer += data
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(re.search(rb"content-length: *(\d+)", head, re.I).group(1))
        if len(body) < length:
            return
        now = time.perf_counter()
        Endpoint.first = Endpoint.first or now
        Endpoint.running += 1
        Endpoint.most = max(Endpoint.most, Endpoint.running)
        self.buffer = body[length:]
        asyncio.get_running_loop().call_at(asyncio.get_running_loop().time() + self.delay, self.answer, body[:length])

    def answer(self, body):
        planned = PLANNED.search(body)  # both are JSON text already
        words = b'{"action": "%s", "benefit_estimate": "%s"}' % planned.groups() if planned else b"{}"
        content = json.dumps(words.decode()).encode()
        reply = (b'{"choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],'
                 b'"usage":{"prompt_tokens":700,"completion_tokens":80}}' % content)
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                             % (len(reply), reply))
        Endpoint.running -= 1
        Endpoint.count += 1
        Endpoint.last = time.perf_counter()


def serve(delay):
    """Starts the endpoint in a thread and gives its base URL."""
    Endpoint.delay = delay
    started, port = threading.Event(), []

    async def main():
        server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", 0, backlog=1024)
        port.append(server.sockets[0].getsockname()[1])
        started.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    started.wait()
    return port[0]


async def plain_client(port, requests, in_flight, body):
    """As many connections as calls at a time, each with its share of the requests: the least that a client can do."""
    left = iter(range(requests))
    request = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)

    async def one():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head).group(1)))
        writer.close()

    await asyncio.gather(*(one() for _ in range(min(in_flight, requests))))


def telemetry(path, hosts):
    with open(path, "w") as file:
        for number in range(hosts):
            record = {"timestamp": "2024-05-06T08:00:00Z", "host": f"web-{number}", "cpu_usage": 90 + number % 10}
            file.write(json.dumps(record) + "\n")


def run(arguments, folder, port):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "AGENT_STATE_DIR": str(folder / "state"),
                   "LLM_BASE_URL": f"http://127.0.0.1:{port}/v1", "LLM_MODEL": "bench", "LLM_CACHE": "off",
                   "LLM_CONCURRENCY": str(arguments.in_flight)}
    common = [AGENT, "run", ROOT / "graphs" / "default.toml", "--quiet", "--input", folder / "fleet.ndjson",
              "--output", folder / "report.json", "--run-record", folder / "record.json"]

    def timed(extra):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(common + extra, cwd=folder, env=environment, check=True)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begun
        return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    offline, _ = timed(["--offline"])
    Endpoint.reset()
    online, cpu = timed([])
    record = json.loads((folder / "record.json").read_text())
    by_model = sum(1 for wording in record["wordings"] if wording["source"] == "model")
    return {"offline": offline, "online": online, "cpu": cpu, "model": Endpoint.last - Endpoint.first,
            "count": Endpoint.count, "most": Endpoint.most, "connections": Endpoint.connections, "worded": by_model}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recommendations", type=int, default=1000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ideal = math.ceil(arguments.recommendations / arguments.in_flight) * arguments.delay
    port = serve(arguments.delay)
    load = os.getloadavg()[0]
    asyncio.run(plain_client(port, arguments.recommendations, arguments.in_flight, b"x" * 5000))
    alone = Endpoint.last - Endpoint.first
    print(f"load {load:.1f}; ideal {ideal:.3f} s; the endpoint with a plain client: {alone:.3f} s, {alone / ideal:.3f} times")
    best = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / ".env").write_text("")
        telemetry(folder / "fleet.ndjson", arguments.recommendations)
        for _ in range(arguments.rounds):
            got = run(arguments, folder, port)
            if got["count"] != arguments.recommendations or got["worded"] != arguments.recommendations:
                sys.exit(f"{got['count']} requests came and {got['worded']} recommendations are a model's")
            ratio = got["model"] / ideal
            best = min(best or ratio, ratio)
            print(f"first request to last answer {got['model']:.3f} s, {ratio:.3f} times the ideal; "
                  f"run {got['online']:.3f} s ({got['cpu']:.2f} s of CPU), offline {got['offline']:.3f} s, "
                  f"difference {(got['online'] - got['offline']) / ideal:.3f} times; "
                  f"{got['most']} at a time over {got['connections']} connections")
    print(f"best {best:.3f}, goal {GOAL:.2f}")
    sys.exit(0 if best <= GOAL else 1)


main()
