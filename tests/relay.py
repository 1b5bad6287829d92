#!/usr/bin/env python3
"""The network of one member, between it and the hub, which counts bytes and can be told to swallow them all.

    relay.py HOST:PORT COUNTERS

Prints "listening on HOST:PORT". After SIGUSR1 nothing passes, after SIGUSR2 everything does. COUNTERS always holds one
line: the bytes carried up to the hub, those carried down from it, and "open" or "frozen". A datagram is counted before it
goes on, so whoever has its effect before them finds it counted.
"""

import os
import selectors
import signal
import socket
import sys

BUFFER_BYTES = 4 * 1024 * 1024
# Longer than any datagram.
DATAGRAM_BYTES = 65536
# Datagrams taken from one socket before the others have their turn.
BURST = 64


class Relay:
    def __init__(self, hub, counters):
        self.hub = hub
        self.counters = os.open(counters, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.carried = {"up": 0, "down": 0}
        self.frozen = False
        self.selector = selectors.DefaultSelector()
        self.listener = self.socket_of()
        self.listener.bind(("127.0.0.1", 0))
        self.selector.register(self.listener, selectors.EVENT_READ, self.go_up)
        # One socket towards the hub per socket of the member: a member that dials again is another one.
        self.outward = {}
        signal.signal(signal.SIGUSR1, lambda *_: self.freeze(True))
        signal.signal(signal.SIGUSR2, lambda *_: self.freeze(False))
        self.show()

    @staticmethod
    def socket_of():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            made.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        return made

    def show(self):
        shown = None
        # A signal in between must not be overwritten with what was before it.
        while shown is not self.frozen:
            shown = self.frozen
            state = "frozen" if shown else "open"
            line = f"{self.carried['up']:>19} {self.carried['down']:>19} {state:>6}\n"
            os.pwrite(self.counters, line.encode(), 0)

    def freeze(self, frozen):
        self.frozen = frozen
        self.show()

    def count(self, way, length):
        self.carried[way] += length
        self.show()

    def go_up(self, listener):
        datagram, member = listener.recvfrom(DATAGRAM_BYTES)
        if self.frozen:
            return
        if member not in self.outward:
            self.outward[member] = self.socket_of()
            self.outward[member].connect(self.hub)
            down = lambda outward: self.go_down(outward, member)
            self.selector.register(self.outward[member], selectors.EVENT_READ, down)
        self.count("up", len(datagram))
        self.outward[member].send(datagram)

    def go_down(self, outward, member):
        datagram = outward.recv(DATAGRAM_BYTES)
        if self.frozen:
            return
        self.count("down", len(datagram))
        self.listener.sendto(datagram, member)

    def run(self):
        while True:
            for key, _ in self.selector.select():
                for _ in range(BURST):
                    try:
                        key.data(key.fileobj)
                    except OSError:
                        # Nothing more to take, no hub, or no room: a network may lose what it carries.
                        break


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    relay = Relay((host, int(port)), sys.argv[2])
    print("listening on %s:%d" % relay.listener.getsockname(), flush=True)
    relay.run()


main()
