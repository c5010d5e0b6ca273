"""The scenario server on python-socketio 5, or 4. The contract is in ../README.md."""

import argparse
import asyncio
import importlib.metadata
import json
import os
import socket
import sys

import socketio
import uvicorn
from socketio import packet

# Version 4 speaks Engine.IO 3 (Socket.IO 2): no `auth`, and one id for all namespaces.
OLDER = importlib.metadata.version("python-socketio").startswith("4.")
if OLDER:
    # It waits for coroutines, which Python has refused since 3.11.
    wait = asyncio.wait
    asyncio.wait = lambda tasks, **options: wait([asyncio.ensure_future(task) for task in tasks], **options)
NAMESPACES = ["/", "/chat", "/admin", "/slow"]


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--path", default="/socket.io")
    parser.add_argument("--ping-interval", type=int, default=25000)
    parser.add_argument("--ping-timeout", type=int, default=20000)
    parser.add_argument("--transports", default="polling,websocket")
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


class Server(socketio.AsyncServer):
    """With a ledger of the packets that tell what has happened, of all namespaces together."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ledger = {"joined": 0, "refused": 0, "left": 0, "events": 0, "acknowledged": 0}

    async def _send_packet(self, eio_sid, pkt):
        sent = {
            packet.CONNECT: "joined",
            packet.ERROR if OLDER else packet.CONNECT_ERROR: "refused",
            packet.ACK: "acknowledged",
            packet.BINARY_ACK: "acknowledged",
        }
        if pkt.packet_type in sent:
            self.ledger[sent[pkt.packet_type]] += 1
        await super()._send_packet(eio_sid, pkt)

    async def _handle_event(self, eio_sid, namespace, id, data):
        self.ledger["events"] += 1
        await super()._handle_event(eio_sid, namespace, id, data)


class Scenario(socketio.AsyncNamespace):
    """One namespace; a handler's return value is the acknowledgement, a tuple its arguments."""

    def __init__(self, name):
        super().__init__(name)
        self.auth = {}
        self.remembered = {}

    def count_sockets(self):
        return len(self.auth)

    async def on_connect(self, sid, environ, auth=None):
        auth = auth or {}
        if OLDER and "token=secret" in environ.get("QUERY_STRING", ""):
            auth = {"token": "secret"}
        if self.namespace == "/admin" and auth.get("token") != "secret":
            raise socketio.exceptions.ConnectionRefusedError("not authorized", {"code": 401})
        if self.namespace == "/slow":
            await asyncio.sleep(0.3)
        self.auth[sid] = auth
        self.remembered[sid] = []
        # Goes out before the CONNECT reply: python-socketio sends that only after this handler.
        await self.emit("welcome", self.namespace, room=sid)
        if auth.get("burst"):
            self.server.start_background_task(self.burst, sid, auth["burst"])

    async def on_disconnect(self, sid, reason=None):
        self.server.ledger["left"] += 1
        self.auth.pop(sid, None)
        self.remembered.pop(sid, None)

    async def burst(self, sid, total):
        # Ten events a turn, so that a burst spans several round trips and an upgrade happens in its middle.
        for i in range(total):
            if i % 10 == 0:
                await asyncio.sleep(0.002)
            await self.emit("burst", i, room=sid)

    async def on_echo(self, sid, *args):
        await self.emit("echo", args, room=sid)

    async def on_ack(self, sid, *args):
        return args

    async def on_inspect(self, sid, *args):
        return describe_binary(list(args))

    async def on_describe(self, sid):
        environ = self.server.environ[sid] if OLDER else self.server.get_environ(sid, namespace=self.namespace)
        query = dict(part.split("=", 1) for part in environ.get("QUERY_STRING", "").split("&") if "=" in part)
        headers = {
            name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        return {
            "id": sid,
            "nsp": self.namespace,
            "auth": self.auth[sid],
            "query": query,
            "headers": headers,
            "transport": self.server.transport(sid) if OLDER else self.server.transport(sid, self.namespace),
        }

    async def on_ask(self, sid, *args):
        async def answered(*answer):
            await self.emit("answered", answer, room=sid)

        await self.emit("question", args, room=sid, callback=answered)

    async def on_count(self, sid, n):
        self.remembered[sid].append(n)

    async def on_counted(self, sid):
        return self.remembered[sid]

    async def on_burst(self, sid, n):
        self.server.start_background_task(self.burst, sid, n)

    async def on_binary(self, sid):
        return {"first": b"\x01\x02\x03", "list": [b"", {"deep": b"\xff\x00\x80"}], "text": "æøå"}

    async def on_text(self, sid, n):
        return "x" * n

    async def on_blob(self, sid, n):
        return (bytes(range(251)) * (n // 251 + 1))[:n]

    async def on_size(self, sid, value):
        data = value.encode() if isinstance(value, str) else value
        return len(data), sum(data)

    async def on_later(self, sid, ms, value):
        await asyncio.sleep(ms / 1000)
        return value

    async def on_silence(self, sid):
        await asyncio.Event().wait()

    async def on_broadcast(self, sid, *args):
        await self.emit("broadcast", args, skip_sid=sid)

    async def on_put(self, sid, *args):
        await self.emit("put", args, skip_sid=sid)
        return args

    async def on_leave(self, sid):
        await self.disconnect(sid)

    async def on_close(self, sid):
        eio_sid = sid if OLDER else self.server.manager.eio_sid_from_sid(sid, self.namespace)
        await self.server.eio.disconnect(eio_sid)


async def control(sio, scenarios, server):
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        answer = {"id": command["id"]}
        match command["cmd"]:
            case "sockets":
                answer["sockets"] = scenarios[command["nsp"]].count_sockets()
            case "emit":
                await sio.emit(command["event"], tuple(command["args"]), namespace=command["nsp"])
            case "disconnect":
                scenario = scenarios[command["nsp"]]
                for sid in list(scenario.auth):
                    await (scenario.on_close(sid) if command.get("close") else scenario.disconnect(sid))
            case "ledger":
                answer |= sio.ledger
            case "stop":
                if not OLDER:
                    await sio.shutdown()
                server.should_exit = True
        print(json.dumps(answer), flush=True)
    # Tasks that never end (an unanswered event) must not keep the process.
    os._exit(0)


async def main():
    options = parse_options()
    sio = Server(
        async_mode="asgi",
        cors_allowed_origins="*",
        ping_interval=options.ping_interval / 1000,
        ping_timeout=options.ping_timeout / 1000,
        **({} if OLDER else {"transports": options.transports.split(",")}),
        max_http_buffer_size=options.max_buffer,
    )
    scenarios = {name: Scenario(name) for name in NAMESPACES}
    for scenario in scenarios.values():
        sio.register_namespace(scenario)

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    listener.listen(128)
    app = socketio.ASGIApp(sio, socketio_path=options.path)
    config = uvicorn.Config(
        app, log_level="error", ws="wsproto", ws_max_size=options.max_buffer, timeout_graceful_shutdown=1, lifespan="off"
    )
    server = uvicorn.Server(config)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    controlling = asyncio.create_task(control(sio, scenarios, server))
    await server.serve(sockets=[listener])
    controlling.cancel()
    os._exit(0)


asyncio.run(main())
