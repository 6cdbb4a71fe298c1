#!/usr/bin/env python3
"""Writes the telemetry fixtures. Deterministic: the same files on every machine.

    scripts/make_fixtures.py            write them
    scripts/make_fixtures.py --check    say which of them differ from what this script writes (exit 1)

infrastructure.json  five days of one platform, half-hourly, as one JSON array: the story is told at `infrastructure`
sample.json          one record of the format
fleet.ndjson, .csv   three hosts, the same records in two formats
dirty.ndjson         everything that may be wrong with a line, and the run goes on
"""

import csv
import io
import json
import math
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def load(moment):
    """Share of the day's peak load: least at four in the morning, most at two in the afternoon."""
    hour = moment.hour + moment.minute / 60
    day = 0.5 - 0.5 * math.cos((hour - 3) / 22 * 2 * math.pi) if hour >= 3 else 0.0
    return 0.15 + 0.85 * day


def swell(at, start, end):
    """0 outside start..end, rising to 1 in the middle."""
    return math.sin((at - start + 0.5) / (end - start) * math.pi) if start <= at < end else 0.0


def record(moment, share, jitter, **changes):
    """A record of the standard format, in the format's order of keys."""
    values = {
        "cpu_usage": round(24 + 34 * share + jitter(2), 1),
        "memory_usage": round(54 + 6 * share + jitter(0.8), 1),
        "latency_ms": round(92 + 48 * share + jitter(6)),
        "disk_usage": 60.0,
        "network_in_kbps": round(640 + 820 * share + jitter(60)),
        "network_out_kbps": round(520 + 760 * share + jitter(50)),
        "io_wait": round(1.8 + 2.2 * share + jitter(0.4), 1),
        "thread_count": round(124 + 26 * share + jitter(2)),
        "active_connections": round(22 + 41 * share + jitter(3)),
        "error_rate": round(0.011 + 0.009 * share + jitter(0.003), 4),
        "uptime_seconds": 0,
        "temperature_celsius": round(50 + 10 * share + jitter(0.7), 1),
        "power_consumption_watts": round(205 + 62 * share + jitter(4)),
    }
    for name, change in changes.items():
        values[name] = change(values[name]) if callable(change) else change
    return {"timestamp": iso(moment), **values}


def infrastructure():
    """Monday to Friday of one platform.

    - Memory leaks from Tuesday 06:00 on, swapping sets in, until a restart on Thursday at 06:00 sets uptime back.
    - Wednesday afternoon brings a surge: CPU and latency go high, connections, threads, traffic and power follow.
    - The disk fills all week.
    - Thursday evening a release fails: errors burst, the API gateway is degraded, then offline for an hour.
    - The night to Friday is warm: the cooling does not keep up.
    - In the last hour of the week the cache begins to falter.
    """
    rng = random.Random(20240311)
    start = datetime(2024, 3, 11, tzinfo=timezone.utc)
    leak, surge, restart, burst, warm = 60, (121, 131), 156, (184, 190), (190, 204)
    records = []
    for at in range(240):
        moment = start + timedelta(minutes=30 * at)
        rush = swell(at, *surge)
        errors = swell(at, *burst)
        heat = swell(at, *warm)
        leaked = max(0, at - leak) * 0.385 if at < restart else 0.0
        swapping = max(0.0, leaked - 28) * 0.6
        up = 1_036_800 + 1800 * at if at < restart else 240 + 1800 * (at - restart)

        def jitter(width):
            return (rng.random() + rng.random() - 1) * width

        row = record(
            moment,
            load(moment),
            jitter,
            cpu_usage=lambda v: round(v + 41 * rush + 3 * swapping / 5, 1),
            memory_usage=lambda v: round(v + leaked, 1),
            latency_ms=lambda v: round(v + 208 * rush + 40 * errors),
            disk_usage=round(57.5 + 0.108 * at, 1),
            network_in_kbps=lambda v: round(v + 900 * rush),
            network_out_kbps=lambda v: round(v + 310 * rush),
            io_wait=lambda v: round(v + swapping, 1),
            thread_count=lambda v: round(v + 31 * rush),
            active_connections=lambda v: round(v + 60 * rush),
            error_rate=lambda v: round(v + 0.012 * rush + 0.118 * errors, 4),
            uptime_seconds=up,
            temperature_celsius=lambda v: round(v + 6 * rush + 27.5 * heat, 1),
            power_consumption_watts=lambda v: round(v + 66 * rush + 22 * heat),
        )
        gateway = "online"
        if burst[0] <= at < burst[1]:
            gateway = "offline" if at in (burst[0] + 2, burst[0] + 3) else "degraded"
        row["service_status"] = {
            "database": "online",
            "api_gateway": gateway,
            "cache": "degraded" if at >= 238 else "online",
        }
        records.append(row)
    return json.dumps(records, indent=2) + "\n"


def sample():
    row = {
        "timestamp": "2023-10-01T12:00:00Z",
        "cpu_usage": 85,
        "memory_usage": 70,
        "latency_ms": 250,
        "disk_usage": 65,
        "network_in_kbps": 1200,
        "network_out_kbps": 900,
        "io_wait": 5,
        "thread_count": 150,
        "active_connections": 45,
        "error_rate": 0.02,
        "uptime_seconds": 360000,
        "temperature_celsius": 65,
        "power_consumption_watts": 250,
        "service_status": {"database": "online", "api_gateway": "degraded", "cache": "online"},
    }
    return json.dumps(row, indent=2) + "\n"


def fleet():
    """Ten hours of three hosts, every ten minutes, interleaved.

    - web-1: CPU and latency surge; nginx degraded meanwhile, online again at the end.
    - web-2: calm, restarted after four hours; nginx goes offline in the last half hour.
    - db-1: memory and I/O wait rise to the end; no error rate; runs postgres too, and nginx as a mere proxy.
    """
    rng = random.Random(7)
    start = datetime(2024, 5, 6, 8, tzinfo=timezone.utc)
    rows = []
    for at in range(60):
        moment = start + timedelta(minutes=10 * at)
        for host in ("web-1", "web-2", "db-1"):

            def jitter(width):
                return (rng.random() + rng.random() - 1) * width

            rush = swell(at, 20, 40) if host == "web-1" else 0.0
            strain = max(0, at - 25) / 34 if host == "db-1" else 0.0
            up = 604_800 + 600 * at
            if host == "web-2":
                up = 86_400 + 600 * at if at < 24 else 600 * (at - 24) + 90
            if host == "db-1":
                up = 2_592_000 + 600 * at
            row = record(
                moment,
                load(moment),
                jitter,
                cpu_usage=lambda v: round(v + 36 * rush, 1),
                memory_usage=lambda v: round(v + 30 * strain, 1),
                latency_ms=lambda v: round(v + 150 * rush),
                disk_usage={"web-1": 41.5, "web-2": 42.0, "db-1": 71.0}[host] + round(at * 0.02, 1),
                io_wait=lambda v: round(v + 8.5 * strain, 1),
                uptime_seconds=up,
            )
            row["disk_usage"] = round(row["disk_usage"], 1)
            if host == "db-1":
                del row["error_rate"]
            nginx = "online"
            if host == "web-1" and 27 <= at < 33:
                nginx = "degraded"
            if host == "web-2" and at >= 57:
                nginx = "offline"
            statuses = {"nginx": nginx}
            if host == "db-1":
                statuses["postgres"] = "degraded" if at >= 55 else "online"
            stamp = row.pop("timestamp")
            rows.append({"timestamp": stamp, "host": host, **row, "service_status": statuses})
    return rows


def ndjson(rows):
    return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)


def as_csv(rows):
    columns = [c for c in rows[0] if c != "service_status"] + ["service_status.nginx", "service_status.postgres"]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        flat = {key: value for key, value in row.items() if key != "service_status"}
        flat.update({f"service_status.{name}": status for name, status in row["service_status"].items()})
        writer.writerow(flat)
    return out.getvalue()


def dirty():
    """Ninety-odd lines, some of them wrong in every way that a run survives; fewer than one in ten unusable."""
    rng = random.Random(13)
    start = datetime(2024, 6, 3, 9, tzinfo=timezone.utc)

    def jitter(width):
        return (rng.random() + rng.random() - 1) * width

    lines = []
    for at in range(84):
        moment = start + timedelta(minutes=5 * at)
        row = record(moment, load(moment), jitter, uptime_seconds=300 * at + 50)
        row["service_status"] = {"database": "online", "cache": "online"}
        lines.append(json.dumps(row, separators=(",", ":")).encode())

    def stamped(at, rest, shift=0):
        return f'{{"timestamp":"{iso(start + timedelta(minutes=5 * at, seconds=shift))}",{rest}}}'.encode()

    wrong = [
        (5, b'{"timestamp":"2024-06-03T09:25:30Z" "cpu_usage":41}'),  # malformed: no comma
        (12, stamped(12, '"cpu_usage":"hot","latency_ms":140', 30)),  # wrong type
        (19, stamped(19, '"cpu_usage":NaN,"latency_ms":141', 30)),
        (26, stamped(26, '"cpu_usage":1e400,"latency_ms":142', 30)),
        (33, stamped(33, '"cpu_usage":44,"service_status":{"database":"rebooting","cache":"online"}', 30)),  # unknown word
        (40, b'{"cpu_usage":45,"latency_ms":143}'),  # no time
        (47, stamped(21, '"cpu_usage":46,"latency_ms":144', 30)),  # out of order
        (54, stamped(53, '"cpu_usage":47,"latency_ms":145')),  # duplicate time
        (61, stamped(61, '"cpu_usage":48,"note":"caf\x01"', 30).replace(b"\x01", b"\xe9")),  # invalid UTF-8 in a string
        (68, stamped(68, '"cpu_usage":49,"cpu_usage":72', 30)),  # duplicate key
        (75, stamped(75, '"cpu_usage":50,"extra":' + "[" * 2000 + "]" * 2000, 30)),  # deep nesting
    ]
    for at, line in reversed(wrong):
        lines.insert(at, line)
    lines.append(b'{"timestamp":"2024-06-03T16:00:00Z","cpu_usage":51,"laten')  # truncated, as by a crash
    return b"\n".join(lines)


def main():
    rows = fleet()
    files = {
        "infrastructure.json": infrastructure(),
        "sample.json": sample(),
        "fleet.ndjson": ndjson(rows),
        "fleet.csv": as_csv(rows),
        "dirty.ndjson": dirty(),
    }
    stale = []
    for name, content in files.items():
        content = content if isinstance(content, bytes) else content.encode()
        path = FIXTURES / name
        if "--check" not in sys.argv[1:]:
            FIXTURES.mkdir(exist_ok=True)
            path.write_bytes(content)
        elif not path.is_file() or path.read_bytes() != content:
            stale.append(name)
    if stale:
        sys.exit(f"differ from what scripts/make_fixtures.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
