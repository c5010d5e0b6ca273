"""The same jobs on python-socketio's client for threads, through its ordinary interface: WebSocket only, reconnection off.

python client.py ROW PORT COUNT; prints the line that `cargo xtask bench` reads, as `common/src/lib.rs` does.
"""

import os
import re
import sys
import threading
import time
import traceback

import socketio

ROW, PORT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
# As in `common/src/lib.rs`.
FIRST_ID = 1000
CYCLE = 1000
ATTACHMENT = 1024


def id_of(n):
    return FIRST_ID + n % CYCLE


def reading(n):
    return {"id": id_of(n), "t": 21.53, "ok": True, "name": "kitchen"}


def fail(*problem):
    """A failure on any thread ends the program: nobody would come back to a client that waits for a dead thread."""
    traceback.print_exception(*problem)
    sys.stderr.flush()
    os._exit(1)


threading.excepthook = lambda problem: fail(problem.exc_type, problem.exc_value, problem.exc_traceback)


def guarded(handler):
    """A handler whose exceptions are not only logged."""

    def call(*args):
        try:
            handler(*args)
        except Exception:
            fail(*sys.exc_info())

    return call


def joined(handlers=()):
    """A client of its own connection, joined."""
    client = socketio.Client(reconnection=False, handle_sigint=False)
    for name, handler in handlers:
        client.on(name, guarded(handler))
    client.connect(
        f"http://127.0.0.1:{PORT}/?scenario={ROW}&count={COUNT}", transports=["websocket"], wait=True
    )
    return client


class Stopwatch:
    def __init__(self):
        self.cpu = time.process_time_ns()
        self.started = time.perf_counter_ns()

    def report(self):
        nanos = time.perf_counter_ns() - self.started
        print(f"nanos={nanos} cpu={time.process_time_ns() - self.cpu}", flush=True)


class Sequence:
    """Checks that events arrive complete and in order."""

    def __init__(self):
        self.seen = 0
        self.all = threading.Event()

    def take(self, number):
        assert number == id_of(self.seen), f"event {self.seen} of {COUNT} is lost or out of order"
        self.seen += 1
        if self.seen == COUNT:
            self.all.set()


def attachment_id(data):
    assert len(data) == ATTACHMENT, "an attachment has the wrong length"
    return int(data[:4])


def typed(data, args):
    assert args["id"] == attachment_id(data), "not the attachment of this event"
    return args["id"]


def receive(id_from):
    sequence = Sequence()
    client = joined([("event", lambda *args: sequence.take(id_from(*args)))])
    clock = Stopwatch()
    client.emit("go")
    sequence.all.wait()
    clock.report()


def emit():
    done = threading.Event()
    client = joined([("done", lambda _: done.set())])
    clock = Stopwatch()
    for n in range(COUNT):
        client.emit("event", reading(n))
    done.wait()
    clock.report()


def ack():
    sequence = Sequence()
    client = joined()
    clock = Stopwatch()
    for n in range(COUNT):
        sequence.take(client.call("event", reading(n)))
    clock.report()


def resident_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status.read(), re.MULTILINE)[1]) * 1024


def idle():
    clients = [joined()]
    before = resident_bytes()
    clients.extend(joined() for _ in range(COUNT))
    print(f"bytes={max(0, resident_bytes() - before)}", flush=True)


ROWS = {
    "receive": lambda: receive(lambda args: args["id"]),
    "binary": lambda: receive(attachment_id),
    "binary-typed": lambda: receive(typed),
    "emit": emit,
    "ack": ack,
    "idle": idle,
}

try:
    ROWS[ROW]()
except Exception:
    fail(*sys.exc_info())
# Its threads would be waited for.
os._exit(0)
