"""The scenario server on Flask-SocketIO 4: Flask over python-socketio 4 (Engine.IO 3), on eventlet as it is served. The
contract is in ../README.md; what no scenario for older servers asks for is left out."""

import argparse
import json
import logging
import os
import sys
import warnings

warnings.simplefilter("ignore")  # Eventlet says that it is old. So is what is tested here.

import eventlet  # noqa: E402

eventlet.monkey_patch()

import eventlet.tpool  # noqa: E402
import flask  # noqa: E402
import flask_socketio  # noqa: E402
from flask import request  # noqa: E402

# It tells of every client that it refuses.
logging.getLogger("engineio.server").setLevel(logging.CRITICAL)
NAMESPACES = ["/", "/chat", "/admin", "/slow"]


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="/socket.io")
    parser.add_argument("--ping-interval", type=int, default=25000)
    parser.add_argument("--ping-timeout", type=int, default=20000)
    parser.add_argument("--max-buffer", type=int, default=8 * 1024 * 1024)
    return parser.parse_args()


def describe_binary(value):
    if isinstance(value, (bytes, bytearray)):
        return {"$bin": bytes(value).hex()}
    if isinstance(value, list):
        return [describe_binary(inner) for inner in value]
    if isinstance(value, dict):
        return {key: describe_binary(inner) for key, inner in value.items()}
    return value


class Scenario(flask_socketio.Namespace):
    """One namespace; a handler's return value is the acknowledgement, a tuple its arguments."""

    def __init__(self, name, socketio):
        super().__init__(name)
        self.io = socketio
        self.remembered = {}

    def say(self, event, *args, **options):
        # Several arguments are a tuple for python-socketio.
        self.io.emit(event, args, namespace=self.namespace, **options)

    def on_connect(self):
        if self.namespace == "/admin" and request.args.get("token") != "secret":
            raise flask_socketio.ConnectionRefusedError("not authorized", {"code": 401})
        if self.namespace == "/slow":
            eventlet.sleep(0.3)
        self.remembered[request.sid] = []
        self.say("welcome", self.namespace, room=request.sid)

    def on_disconnect(self):
        self.remembered.pop(request.sid, None)

    def on_echo(self, *args):
        self.say("echo", *args, room=request.sid)

    def on_ack(self, *args):
        return args

    def on_inspect(self, *args):
        return describe_binary(list(args))

    def on_describe(self):
        headers = {name.lower(): value for name, value in request.headers.items()}
        return {
            "id": request.sid,
            "nsp": self.namespace,
            "query": dict(request.args),
            "headers": headers,
            "transport": self.io.server.transport(request.sid),
        }

    def on_ask(self, *args):
        sid = request.sid

        def answered(*answer):
            self.say("answered", *answer, room=sid)

        self.say("question", *args, room=sid, callback=answered)

    def on_count(self, n):
        self.remembered[request.sid].append(n)

    def on_counted(self):
        return self.remembered[request.sid]

    def on_burst(self, n):
        self.io.start_background_task(self.burst, request.sid, n)

    def burst(self, sid, total):
        for i in range(total):
            if i % 10 == 0:
                eventlet.sleep(0.002)
            self.say("burst", i, room=sid)

    def on_binary(self):
        return {"first": b"\x01\x02\x03", "list": [b"", {"deep": b"\xff\x00\x80"}], "text": "æøå"}

    def on_text(self, n):
        return "x" * n

    def on_blob(self, n):
        return (bytes(range(251)) * (n // 251 + 1))[:n]

    def on_size(self, value):
        data = value.encode() if isinstance(value, str) else value
        return len(data), sum(data)

    def on_later(self, ms, value):
        eventlet.sleep(ms / 1000)
        return value

    def on_silence(self):
        eventlet.event.Event().wait()

    def on_leave(self):
        flask_socketio.disconnect()


def control(socketio, scenarios):
    while line := eventlet.tpool.execute(sys.stdin.readline):
        command = json.loads(line)
        answer = {"id": command["id"]}
        match command["cmd"]:
            case "sockets":
                answer["sockets"] = len(scenarios[command["nsp"]].remembered)
            case "emit":
                socketio.emit(command["event"], tuple(command["args"]), namespace=command["nsp"])
            case "disconnect":
                for sid in list(scenarios[command["nsp"]].remembered):
                    socketio.server.disconnect(sid, namespace=command["nsp"])
        print(json.dumps(answer), flush=True)
        if command["cmd"] == "stop":
            break
    # Handlers that never end must not keep the process.
    os._exit(0)


def main():
    options = parse_options()
    app = flask.Flask(__name__)
    socketio = flask_socketio.SocketIO(
        app,
        path=options.path,
        async_mode="eventlet",
        cors_allowed_origins="*",
        ping_interval=options.ping_interval / 1000,
        ping_timeout=options.ping_timeout / 1000,
        max_http_buffer_size=options.max_buffer,
    )
    scenarios = {name: Scenario(name, socketio) for name in NAMESPACES}
    for scenario in scenarios.values():
        socketio.on_namespace(scenario)
    listener = eventlet.listen(("127.0.0.1", options.port))
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    eventlet.spawn(control, socketio, scenarios)
    # As `socketio.run` serves it, on a port that is known.
    eventlet.wsgi.server(listener, app, log_output=False)


main()
