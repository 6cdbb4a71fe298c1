#!/usr/bin/env python3
"""Sends records to `ingest.listen` at a steady rate, with windows of one second, and says how long after the end of each
window its alert arrives at a webhook.

    scripts/bench/live.py [--rate 10000] [--seconds 60] [--batch 100] [AGENT]

The time of a record is the time at which it is sent. Measured from the end of the window by the clock: so it holds the
wait for the next batch, the HTTP exchange, the spool, decoding, folding, the journal, the tasks and the webhook's
exchange. The load generator and the webhook run on the same machine. Standard library only.
"""
import argparse, http.client, json, os, shutil, signal, statistics, sys, tempfile, time
from datetime import datetime, timezone

import live_run

GRAPH = """
[window]
every = "1s"

[nodes.telemetry]
kind = "ingest.listen"
address = "127.0.0.1:0"

[nodes.insights]
kind = "insights"
inputs = { telemetry = "telemetry" }
"""

ALERT = """
[nodes.alert]
kind = "output.notify"
inputs = { report = "report" }
url = "http://127.0.0.1:PORT/"
format = "json"
when = "always"
"""


class Hook(live_run.Hook):
    arrived = []  # (time, end of the window)

    def received(self, body, now):
        end = datetime.fromisoformat(json.loads(body)["window"]["span"]["end"].replace("Z", "+00:00")).timestamp()
        Hook.arrived.append((now, end))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=int, default=10000)
    arguments.add_argument("--seconds", type=int, default=60)
    arguments.add_argument("--batch", type=int, default=100)
    arguments.add_argument("agent", nargs="?", default="target/release/agent")
    a = arguments.parse_args()
    folder = tempfile.mkdtemp(prefix="live-")
    server = live_run.serve(Hook)
    graph = GRAPH + live_run.REPORT + ALERT.replace("PORT", str(server.server_port))
    agent = live_run.start(a.agent, graph, folder)
    address = None
    while address is None and agent.poll() is None:
        time.sleep(0.05)
        for where, _, names in os.walk(os.path.join(folder, "state")):
            if "listen.addr" in names:
                address = open(os.path.join(where, "listen.addr")).read().strip() or None
    client = http.client.HTTPConnection(address, timeout=10)
    record = ('{"timestamp":"%s","host":"h%d","cpu_usage":%d,"memory_usage":49,"latency_ms":108,"disk_usage":51,'
              '"error_rate":0.0068,"uptime_seconds":360000,"temperature_celsius":48,'
              '"service_status":{"database":"online","api_gateway":"online","cache":"online"}}\n')
    begun, sent, refused, samples = time.time(), 0, 0, []
    while time.time() - begun < a.seconds:
        due = begun + sent / a.rate
        if due > time.time():
            time.sleep(due - time.time())
        now = time.time()
        stamp = datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = "".join(record % (stamp, n % 20, 95 if n == 0 else 40) for n in range(a.batch)).encode()
        client.request("POST", "/", body, {"Content-Type": "application/x-ndjson"})
        answer = client.getresponse()
        answer.read()
        refused += answer.status != 202
        sent += a.batch
        if len(samples) < (now - begun) // 5:
            samples.append(live_run.memory(agent.pid))
    took = time.time() - begun
    time.sleep(1)
    highest = live_run.memory(agent.pid, "VmHWM")
    agent.send_signal(signal.SIGTERM)
    agent.wait()
    # The first window is partial and the last one is drained.
    late = sorted((now - end) * 1000 for now, end in Hook.arrived[1:-1])
    shutil.rmtree(folder)
    if not late:
        sys.exit("no alert arrived")
    at = lambda share: late[min(len(late) - 1, int(len(late) * share))]
    print(f"{sent} records in {took:.1f} s ({sent / took:.0f}/s, {refused} batches refused), {len(late)} windows")
    print(f"window end to alert, ms: median {statistics.median(late):.1f}, p99 {at(0.99):.1f}, largest {late[-1]:.1f}")
    print(f"resident memory, MB: peak {highest:.1f}, every 5 s {' '.join(f'{s:.1f}' for s in samples)}")


main()
