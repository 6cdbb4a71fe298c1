"""What the scripts that measure a live run share: its graph, its process, and the memory that it takes. Standard library
only; reads /proc, so Linux only.
"""
import http.server, os, subprocess, threading, time

GRAPHS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../graphs")

# From the records to a report, as every live graph here has it.
REPORT = """
[nodes.anomalies]
kind = "detect"
inputs = { telemetry = "telemetry" }
rules = "GRAPHS/rules/infrastructure.toml"

[nodes.plan]
kind = "plan"
inputs = { anomalies = "anomalies" }
playbook = "GRAPHS/playbooks/infrastructure.toml"

[nodes.report]
kind = "merge"
inputs = { summary = "insights", anomalies = "anomalies", recommendations = "plan.recommendations" }
""".replace("GRAPHS", GRAPHS)


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook's receiver; what it does with a body that began to arrive at some time is `received`."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        now = time.time()
        self.received(self.rfile.read(int(self.headers["Content-Length"])), now)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(hook):
    """The server of a hook, at a port of its own choice (`server_port`)."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def start(agent, graph, folder):
    """The process of a live run of this graph. Its folder is the working directory, and has its state."""
    with open(os.path.join(folder, "live.toml"), "w") as file:
        file.write(graph)
    environment = {**os.environ, "AGENT_STATE_DIR": os.path.join(folder, "state")}
    return subprocess.Popen([os.path.abspath(agent), "run", "live.toml", "--offline", "--quiet"], cwd=folder, env=environment)


def memory(pid, what="VmRSS"):
    """MB, as /proc/PID/status has it; `None` when the process has gone."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith(what):
                return int(line.split()[1]) / 1024
    return None
