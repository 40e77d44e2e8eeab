"""The tools that receive rows, for tests, as one process: `python -m tests.support.tools.server
PORT_FILE`. Each module of `TOOLS` is a tool below `/<name>`; it keeps what it was told.

    POST /_test/reset                       forget everything
    PUT  /_test/faults [{"do": ...}, ...]   one step per request; after the last one all works
    PUT  /_test/refuse ["a@x", ...]         people whom the tools refuse; with `batch:` before the
                                            person, the tool refuses the whole request
    PUT  /_test/seed   {tool: ["a@x"]}      people whom a tool knows before any sync
    GET  /_test/state                       {tool: its state, "effects": [...], "broken": [...]}

Steps: `ok`; `busy` (429, `retry_after`), `error` (500), `drop_before`, `status` apply nothing;
`error_after`, `drop_after`, `say` with `applies` apply the request and answer otherwise; `twice`
applies it twice, as a proxy that repeats a request does.

`effects` lists what changed, in order: [tool, "add" or "remove", person, list or ""]. `broken`
lists requests that the vendor's specification refuses, if there is one.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.tools import TOOLS
from tests.support.tools.specifications import violation


class Request:
    """A request to a tool; `path` is without the tool's name."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.tool, _, rest = parts.path.lstrip("/").partition("/")
        self.method, self.path, self.query = method, f"/{rest}", parse_qs(parts.query)
        self.headers, self.body = headers, body

    def json(self):
        return json.loads(self.body)


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.tools = {name: module.Tool(self) for name, module in TOOLS.items()}
        self.faults, self.refused, self.effects, self.broken = [], set(), [], []
        self.requests = []

    def effect(self, tool, op, person, where=""):
        self.effects.append([tool, op, person, where])


STATE = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, content=None, headers=None):
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def cut(self):
        self.close_connection = True
        self.connection.close()

    def control(self, body):
        match self.path:
            case "/_test/reset":
                STATE.clear()
            case "/_test/faults":
                STATE.faults = json.loads(body)
            case "/_test/refuse":
                STATE.refused = set(json.loads(body))
            case "/_test/seed":
                for name, people in json.loads(body).items():
                    STATE.tools[name].seed(people)
            case "/_test/state":
                told = {name: tool.state() for name, tool in STATE.tools.items()}
                more = {name: getattr(STATE, name) for name in ("effects", "broken", "requests")}
                return self.answer(200, told | more)
        return self.answer(204)

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/_test/"):
            with STATE.lock:
                return self.control(body)
        request = Request(self.command, self.path, self.headers, body)
        with STATE.lock:
            STATE.requests.append([request.method, self.path, body.decode(errors="replace")])
            if problem := violation(request):
                STATE.broken.append(f"{request.method} {self.path}: {problem}")
            step = STATE.faults.pop(0) if STATE.faults else {"do": "ok"}
            status, content, headers = 200, None, None
            applies = step.get(
                "applies", step["do"] in ("ok", "error_after", "drop_after", "twice")
            )
            for _ in range(applies + (step["do"] == "twice")):
                status, content, *headers = STATE.tools[request.tool].handle(request)
        match step["do"]:
            case "ok" | "twice":
                return self.answer(status, content, *headers)
            case "busy":
                return self.answer(429, None, {"Retry-After": str(step.get("retry_after", 0))})
            case "error" | "error_after":
                return self.answer(500)
            case "drop_before" | "drop_after":
                return self.cut()
            case "status" | "say":
                return self.answer(step["status"], step.get("body"))

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = handle_request


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port_file = Path(sys.argv[1])
    part = port_file.with_suffix(".part")
    part.write_text(str(server.server_port))
    part.replace(port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
