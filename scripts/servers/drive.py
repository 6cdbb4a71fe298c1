#!/usr/bin/env python3
"""Drives `agent` against servers that others wrote: LiteLLM's proxy (PyPI) and aimock (npm).

    python3 scripts/servers/drive.py [litellm] [aimock]

Each is installed into a temporary folder, or into $SERVERS_FOLDER, where it is found again next time. LiteLLM stands in
front of scripts/synthetic_endpoint.py, as it would in front of a provider; aimock answers from fixtures made of the shipped
cassette, which was recorded there. No key, no model, and after the installation no network is needed.

In every case `agent run` must exit with 0, and the report must be that of `--offline` but for the sentences. How many of
these the server's drafts became is said, and held to what the case can give. What cannot be installed is skipped, and said
to be. $AGENT names the program; by default that of target/release or target/debug, whichever is newer.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GRAPH = "graphs/default.toml"
KEY = "sk-drive-0123456789"
# Of the versions that this was written with: others may answer otherwise.
LITELLM = "litellm[proxy]==1.106.2"
AIMOCK, AIMOCK_VERSION = "@copilotkit/aimock", "1.43.0"


def agent_program() -> str:
    built = [ROOT / "target" / profile / "agent" for profile in ("release", "debug")]
    built = sorted((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime)
    if "AGENT" in os.environ:
        return os.environ["AGENT"]
    if not built:
        sys.exit("build the program first: cargo build --release")
    return str(built[-1])


def agent(folder: Path, variables: dict, *arguments: str) -> subprocess.CompletedProcess:
    """Without anybody's variables, `.env` or state."""
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "AGENT_STATE_DIR": str(folder / "state"), **variables}
    command = [agent_program(), *arguments]
    return subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=150)


def decisions(report: dict) -> dict:
    """A report without its sentences, which have to be there."""
    for recommendation in report["recommendations"]:
        for key in ("action", "benefit_estimate"):
            assert isinstance(recommendation[key], str) and recommendation[key], recommendation
            recommendation[key] = ""
    return report


def run(variables: dict, *flags: str) -> tuple[dict, dict, float]:
    """The decisions, the run record, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        output, record = Path(folder, "output.json"), Path(folder, "run.json")
        paths = ["--output", str(output), "--run-record", str(record)]
        begun = time.monotonic()
        ran = agent(Path(folder), variables, "run", GRAPH, *paths, *flags)
        took = time.monotonic() - begun
        assert ran.returncode == 0, (ran.returncode, ran.stdout, ran.stderr)
        assert KEY not in ran.stdout + ran.stderr + output.read_text() + record.read_text()
        return decisions(json.loads(output.read_text())), json.loads(record.read_text()), took


def drive(name: str, variables: dict, least: float, most: float = 1.0) -> None:
    """One case: of the drafts at least and at most these shares must be accepted."""
    offline, _, _ = run({}, "--offline")
    reported, record, took = run(variables)
    assert reported == offline, f"{name}: the decisions differ"
    wordings, calls = record["wordings"], record["calls"]
    accepted = sum(wording["source"] == "model" for wording in wordings)
    attempts = sum(call["attempts"] for call in calls)
    outcomes = sorted({call["outcome"][:140] for call in calls})
    print(f"  {name}: {accepted} of {len(wordings)} drafts accepted, {len(calls)} calls, {attempts} exchanges,"
          f" {record['usage'].get('prompt_tokens', 0)} prompt tokens, {took:.1f} s; {'; '.join(outcomes)}")
    assert least <= accepted / len(wordings) <= most, f"{name}: {accepted} of {len(wordings)}"


def usable(variables: dict, model: str) -> None:
    """`agent doctor` and `agent models`."""
    with tempfile.TemporaryDirectory() as folder:
        doctor = agent(Path(folder), variables, "doctor")
        print("  " + doctor.stdout.strip().replace("\n", "\n  "))
        assert doctor.returncode == 0 and KEY not in doctor.stdout + doctor.stderr, doctor
        models = agent(Path(folder), variables, "models")
        assert models.returncode == 0 and model in models.stdout, models


def blames(variables: dict, what: str) -> None:
    """`agent doctor` must find the endpoint unusable for this reason."""
    with tempfile.TemporaryDirectory() as folder:
        doctor = agent(Path(folder), variables, "doctor", "--format", "json")
        kinds = [check["trouble"]["kind"] for check in json.loads(doctor.stdout)["endpoints"]]
        assert doctor.returncode == 1 and kinds == [what], doctor.stdout


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def server(command: list, probe: str, cwd: Path, more: dict | None = None, patience: float = 240):
    """A process that is there once the URL answers, and is ended afterwards."""
    env = {"PATH": os.environ["PATH"], "HOME": str(cwd), **(more or {})}
    log = open(cwd / "server.log", "ab")
    process = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log)
    try:
        begun = time.monotonic()
        while True:
            try:
                urllib.request.urlopen(probe, timeout=5).close()
                break
            except urllib.error.HTTPError:
                break  # it answers
            except OSError:
                if process.poll() is not None or time.monotonic() - begun > patience:
                    sys.exit(f"{command[0]} did not start:\n" + (cwd / "server.log").read_text()[-3000:])
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def installed(folder: Path, what: str, commands: list) -> bool:
    """Whether the commands succeeded, now or before."""
    done = folder / ".installed"
    if done.exists():
        return True
    folder.mkdir(parents=True, exist_ok=True)
    for command in commands:
        try:
            ran = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=300)
            why = "" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no reason given"])[-1]
        except (OSError, subprocess.TimeoutExpired) as error:
            why = str(error)
        if why:
            print(f"{what}: SKIPPED, it cannot be installed: {why}")
            return False
    done.touch()
    return True


def litellm(folder: Path) -> bool:
    commands = [[sys.executable, "-m", "venv", "venv"], ["venv/bin/pip", "install", "-q", LITELLM]]
    if not installed(folder, "LiteLLM", commands):
        return False
    version = subprocess.run([folder / "venv/bin/pip", "show", "litellm"], text=True, capture_output=True).stdout
    print("LiteLLM", version.split("Version: ")[1].splitlines()[0])
    upstream, port = free_port(), free_port()
    upstream_url, url = f"http://127.0.0.1:{upstream}/v1", f"http://127.0.0.1:{port}/v1"
    params = {"model": "openai/synthetic", "api_base": upstream_url, "api_key": "none"}
    # What it makes up itself: errors as it words them.
    models = {
        "wordings": params,
        "busy": {**params, "mock_response": "litellm.RateLimitError"},
        "broken": {**params, "mock_response": "litellm.InternalServerError"},
        "chatty": {**params, "mock_response": "Sure! Here is what I would do: add 7 GiB of memory."},
        "nobody": {**params, "api_base": f"http://127.0.0.1:{free_port()}/v1"},
    }
    config = {
        "model_list": [{"model_name": name, "litellm_params": params} for name, params in models.items()],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"num_retries": 0, "telemetry": False},
    }
    (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [str(folder / "venv/bin/litellm"), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    behind = [sys.executable, str(ROOT / "scripts/synthetic_endpoint.py"), str(upstream)]
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    with server(behind, upstream_url, folder), server(command, f"{url}/models", folder, more):
        variables = {"LLM_PROVIDER": "litellm", "LLM_BASE_URL": url, "LLM_MODEL": "wordings", "LITELLM_MASTER_KEY": KEY}
        usable(variables, "wordings")
        drive("as configured", variables, 1.0)
        drive("by its URL alone", {"LLM_BASE_URL": url, "LLM_MODEL": "wordings", "LLM_API_KEY": KEY}, 1.0)
        drive("busy", {**variables, "LLM_MODEL": "busy"}, 0, 0)
        drive("broken", {**variables, "LLM_MODEL": "broken"}, 0, 0)
        drive("chatty", {**variables, "LLM_MODEL": "chatty"}, 0, 0)
        drive("nobody behind it", {**variables, "LLM_MODEL": "nobody"}, 0, 0)
        drive("no such model", {**variables, "LLM_MODEL": "missing"}, 0, 0)
        wrong = {**variables, "LITELLM_MASTER_KEY": "sk-wrong-0123456789"}
        drive("wrong key", wrong, 0, 0)
        blames(wrong, "key")
        blames({**variables, "LLM_MODEL": "missing"}, "model")
        fallback = {**variables, "LLM_MODEL": "busy", "LLM_FALLBACKS": f"{url}#wordings", "LLM_FALLBACKS_API_KEY": KEY}
        drive("busy, with a fallback", fallback, 1.0)
    return True


def aimock(folder: Path) -> bool:
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("aimock: SKIPPED, it needs node and npm")
        return False
    install = ["npm", "install", "--no-fund", "--no-audit", "--fetch-retries=0", "--fetch-timeout=60000", "--prefix", ".",
               f"{AIMOCK}@{AIMOCK_VERSION}"]
    if not installed(folder, "aimock", [install]):
        return False
    package = json.loads((folder / "node_modules" / AIMOCK / "package.json").read_text())
    print("aimock", package["version"])
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    # What the shipped cassette answers to the same questions: aimock looks for a part of the prompt.
    recorded = json.loads((ROOT / "fixtures/cassettes/default.json").read_text())["interactions"]
    fixtures = []
    for interaction in recorded:
        about = interaction["request"]["messages"][-1]["content"].split(", for ")[0]
        content = interaction["response"]["body"]["choices"][0]["message"]["content"]
        fixtures.append({"match": {"userMessage": about}, "response": {"content": content}})
    # Whatever else is asked, as `agent doctor` does.
    fixtures.append({"match": {}, "response": {"content": json.dumps({"answer": "ok"})}})
    (folder / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    program = ["node", str(folder / "node_modules" / AIMOCK / package["bin"]["llmock"])]
    command = [*program, "-p", str(port), "-f", "fixtures.json", "--log-level", "warn"]
    variables = {"LLM_BASE_URL": url, "LLM_MODEL": "gpt-4o", "LLM_API_KEY": KEY, "LLM_TIMEOUT": "2"}

    def case(name: str, flags: list, *shares: float):
        with server([*command, *flags], f"{url}/models", folder):
            drive(name, variables, *shares)

    with server(command, f"{url}/models", folder):
        usable(variables, "gpt-4o")
        drive("as configured", variables, 1.0)
        drive("as OpenAI", {"LLM_PROVIDER": "openai", "LLM_BASE_URL": url, "OPENAI_API_KEY": KEY}, 1.0)
    case("half of the answers 429", ["--chaos-ratelimit", "0.5"], 0)
    case("half of the answers 500", ["--chaos-drop", "0.5"], 0)
    case("half of the connections cut", ["--chaos-disconnect", "0.5"], 0)
    case("all answers 429", ["--chaos-ratelimit", "1"], 0, 0)
    case("all answers malformed", ["--chaos-malformed", "1"], 0, 0)
    case("all connections cut", ["--chaos-disconnect", "1"], 0, 0)
    case("all answers after 4 s", ["--chaos-latency", "4000"], 0, 0)
    return True


def main() -> None:
    kinds = {"litellm": litellm, "aimock": aimock}
    wanted = sys.argv[1:] or list(kinds)
    if unknown := [name for name in wanted if name not in kinds]:
        sys.exit(f"{', '.join(unknown)}: there are {', '.join(kinds)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("SERVERS_FOLDER", temporary)).absolute()
        driven = [name for name in wanted if kinds[name](folder / name)]
    print(f"driven: {', '.join(driven) or 'none'}")


if __name__ == "__main__":
    main()
