"""What the members of a ring say of it, asked every few milliseconds through their control sockets while something
happens to one of them."""

import threading
import time

EVERY_S = 0.02


def whole(nodes):
    """Every node sees exactly these members, in ring order, each its next one as successor."""
    statuses = [node.status() for node in nodes]
    if any(status is None for status in statuses):
        return False
    ids = sorted(status["id"] for status in statuses)
    for status in statuses:
        ring = [member["id"] for member in status["ring"]]
        at = ids.index(status["id"])
        if ring != ids[at:] + ids[:at]:
            return False
        if len(ids) == 1:
            continue
        marks = [(member["successor"], member["predecessor"]) for member in status["ring"]]
        if not marks[1][0] or not marks[-1][1] or sum(s for s, _ in marks) != 1 or sum(p for _, p in marks) != 1:
            return False
    return True


def in_ring_order(nodes):
    return sorted(nodes, key=lambda node: node.status()["id"])


class Watch:
    """One thread a node; looks = [(seconds since the strike, its status)], in order. While a status is asked for, a node
    that does not answer holds up only its own thread."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.looks = {node: [] for node in nodes}
        self.struck = time.monotonic()
        self.victim = None
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._look, args=(node,), daemon=True) for node in nodes]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _look(self, node):
        while not self._done.wait(EVERY_S):
            status = node.status()
            if status is not None:
                self.looks[node].append((time.monotonic(), status))

    def strike(self, victim, action):
        """`victim` is lost by action(); the clock starts right before it."""
        self.victim = victim.status()["id"]
        self.struck = time.monotonic()
        action()

    def now_s(self):
        return time.monotonic() - self.struck

    def _first(self, node, condition):
        for at, status in self.looks[node]:
            if at >= self.struck and condition(status):
                return at - self.struck
        return None

    @staticmethod
    def successor_of(status):
        return next((member["id"] for member in status["ring"] if member["successor"]), None)

    def noticed_s(self, node):
        """When `node` no longer had the victim for its successor, or in its ring."""
        return self._first(node, lambda status: self.victim not in [member["id"] for member in status["ring"]] and
                           self.successor_of(status) != self.victim)

    def replaced_s(self, node, by):
        """When `node` had `by` for its successor."""
        wanted = next(status["id"] for _, status in self.looks[by])
        return self._first(node, lambda status: self.successor_of(status) == wanted)

    def rings(self):
        return [status["ring"] for looks in self.looks.values() for _, status in looks]

    def lost_members(self):
        """Names of those that were in someone's ring at one look and not at the next."""
        lost = set()
        for looks in self.looks.values():
            for (_, before), (_, after) in zip(looks, looks[1:]):
                still = {member["id"] for member in after["ring"]}
                lost |= {member["name"] for member in before["ring"] if member["id"] not in still}
        return lost
