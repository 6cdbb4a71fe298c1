#!/usr/bin/env python3
"""A chat-completions endpoint that answers from a table of sentences: no model, no randomness, no network.

For trying `agent` with an endpoint, and for recording fixtures/cassettes/default.json, whose label says so.

    python3 scripts/synthetic_endpoint.py 8089
    LLM_BASE_URL=http://127.0.0.1:8089/v1 LLM_MODEL=synthetic-wordings cargo run --release -- run graphs/default.toml

It reads the recommendation's id and the planned sentences from the prompt. An action that the table lacks is answered
with the planned sentences themselves.
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Action id → (action, benefit estimate), with the slots that the playbook's own sentences have.
EN = {
    "roll-back": (
        "Return {target} to its previous release, and let a rollout stop by itself once its error rate reaches"
        " {parameter.abort_above}; errors were worst at {error_rate.worst_at}, with a rate of {error_rate.value}.",
        "If the newest release is behind every error beyond the alert threshold of {error_rate.lowest}, about"
        " {projected.fewer_errors} of the errors at the peak would have been avoided.",
    ),
    "scale-out": (
        "Run {parameter.replicas} replicas of {target} and balance the load across them, since CPU usage went up to"
        " {cpu_usage.value} at {cpu_usage.worst_at}.",
        "Assuming an even spread over {parameter.replicas} replicas, with {assumed.current_replicas} in service today,"
        " CPU usage would peak near {parameter.projected_peak}, within the {assumed.target_utilisation} aimed for.",
    ),
    "raise-memory-limit": (
        "Raise the memory limit of {target} by {parameter.limit_increase} and check it for leaks: usage climbed to"
        " {memory_usage.value} at {memory_usage.worst_at}.",
        "With an unchanged working set, memory usage would peak at about {parameter.projected_peak} of the new limit,"
        " within the {assumed.target_utilisation} aimed for.",
    ),
    "fail-over": (
        "Let a standby instance take over automatically for the {target} service, which was {service_status.value} at"
        " {service_status.worst_at}.",
        "With a standby that is online {assumed.standby_availability} of the time, the share of records without the"
        " service would be about {projected.affected_share}, compared with {parameter.affected_share}.",
    ),
    "resize-pool": (
        "Size the connection pool of {target} for {parameter.pool_size} connections and close idle ones sooner; active"
        " connections reached {active_connections.value} at {active_connections.worst_at}.",
        "If demand stays at its peak, the pool with its reserve of {assumed.headroom} would be about"
        " {projected.pool_usage} full.",
    ),
    "expand-storage": (
        "Add {parameter.capacity_increase} to the storage of {target}, or clear old data; disk usage stands at"
        " {disk_usage.newest} in the newest record.",
        "If the data does not grow, disk usage would peak at about {parameter.projected_peak} of the larger volume,"
        " within the {assumed.target_utilisation} aimed for.",
    ),
}
FR = {
    "scale-out": (
        "Exécuter {parameter.replicas} réplicas de {target} derrière un répartiteur de charge, l'utilisation CPU ayant"
        " culminé à {cpu_usage.value} le {cpu_usage.worst_at}.",
        "Si la charge se répartit également sur {parameter.replicas} réplicas au lieu de {assumed.current_replicas}, le"
        " pic serait d'environ {parameter.projected_peak}, sans dépasser les {assumed.target_utilisation} visés.",
    ),
}


def reply(prompt: str) -> dict:
    """The wording for a prompt of prompts/recommendation.md; else what `agent doctor` asks for."""
    action = re.search(r"^Recommendation ([\w-]+)[.:\w@-]*, for ", prompt, re.M)
    planned = re.search(r"^Planned action: (.*)\n+Planned benefit estimate: (.*)$", prompt, re.M)
    if not planned:
        return {"answer": "ok"}
    table = FR if "in French" in prompt else EN
    words = table.get(action.group(1) if action else "")
    if words is None:
        words = planned.groups()
    return {"action": words[0], "benefit_estimate": words[1]}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        prompt = next((m["content"] for m in body["messages"] if m["role"] == "user"), "")
        content = json.dumps(reply(prompt), ensure_ascii=False)
        answer = json.dumps({
            "id": "synthetic",
            "object": "chat.completion",
            "created": 0,
            "model": body.get("model", ""),
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": content},
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": len(prompt.split()),
                "completion_tokens": len(content.split()),
                "total_tokens": len(prompt.split()) + len(content.split()),
            },
        }, ensure_ascii=False).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
