"""Plays a plan of faults on a cluster under load, brings it to rest, and looks at what is left."""

import heapq
import itertools
import re
import time

from accounts import account_of
from fault_plan import text_of

TICK_S = 0.05
PATIENCE_S = 300  # for what takes seconds; a machine may be busy with other things
COMPLAINT = re.compile(r" (error|critical): ")


class Broken(Exception):
    """The run cannot go on."""


class Player:
    """`say` is told of everything that happens, a line at a time."""

    def __init__(self, cluster, plan, say=lambda line: None):
        self.cluster, self.plan, self.say = cluster, plan, say
        self.began = None
        self.struck = []  # faults so far, with the instant of each
        self.restarted = []  # (instant, name)
        self.leaving = {}  # name: for how long it stays away once it is gone
        self._due, self._order = [], itertools.count()

    # -- the parts of a run

    def start(self):
        for name in self.cluster.devices:
            self.cluster.start(name)
        self._until(self.cluster.is_whole, "all are one ring at the start")
        self._until(lambda: all(life.first_work_s is not None for life in self.cluster.lives), "all have work")

    def play(self, seconds):
        """Until the end of the plan, and of so many seconds."""
        self.began = time.monotonic()
        for fault in self.plan:
            self._at(fault.at_s, lambda fault=fault: self._strike(fault))
        while self._due or self.leaving or self._now() < seconds:
            if self._due and self._due[0][0] <= self._now():
                heapq.heappop(self._due)[2]()
                continue
            next_s = self._due[0][0] if self._due else seconds
            time.sleep(min(TICK_S, max(0.001, next_s - self._now())))
            self._tick()

    def bring_to_rest(self):
        """Seconds until the ring is whole, and then until nothing is kept or waits any more once the cameras end."""
        whole_s = self._until(self.cluster.is_whole, "all are one ring again")
        self._until(lambda: all(life.first_work_s is not None or life.ended_at for life in self.cluster.lives),
                    "everybody has work again")
        for node in self.cluster.nodes():
            node.ask("stop-cameras")
        left = []
        idle_s = self._until(lambda: not left.__setitem__(slice(None), self.cluster.leftovers()) and not left,
                             "nothing is left to do once the cameras have ended", lambda: left)
        for name in self.cluster.devices:
            self.cluster.ask_to_leave(name)
            self.leaving[name] = None
        self._until(lambda: all([self.cluster.has_left(name) for name in self.leaving]), "all end")
        return whole_s, idle_s

    # -- what happens on the way

    def _now(self):
        return time.monotonic() - self.began

    def _at(self, at_s, action):
        heapq.heappush(self._due, (at_s, next(self._order), action))

    def _tick(self):
        self.cluster.look(self.leaving)
        for name in [name for name in self.leaving if self.cluster.has_left(name)]:
            self.say(f"{self._now():8.3f} s  {name} has left")
            self._at(self._now() + self.leaving.pop(name), lambda name=name: self._start_again(name))
        if self.cluster.findings:
            raise Broken("; ".join(self.cluster.findings))

    def _strike(self, fault):
        name = fault.victim
        # One that is not back yet from its last fault is struck later. Who loads its libraries yet cannot be asked.
        node = self.cluster.devices[name].node
        if node is None or name in self.leaving or (fault.kind == "leave" and node.status() is None):
            return self._at(self._now() + TICK_S, lambda: self._strike(fault))
        self.say(str(fault))
        self.struck.append((time.time(), fault))
        back = {"kill": self._start_again, "stop": self.cluster.go_on, "cut": self.cluster.mend}
        {"kill": self.cluster.kill, "stop": self.cluster.stop, "cut": self.cluster.cut,
         "leave": self.cluster.ask_to_leave}[fault.kind](name)
        if fault.kind == "leave":
            self.leaving[name] = fault.for_s
        else:
            self._at(max(fault.at_s, self._now() - TICK_S) + fault.for_s, lambda: back[fault.kind](name))
        return None

    def _start_again(self, name):
        self.restarted.append((time.time(), name))
        self.cluster.start(name)

    def _until(self, condition, what, details=lambda: ""):
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > PATIENCE_S:
                raise Broken(f"in {PATIENCE_S} s it did not happen that {what} {details() or ''}".rstrip())
            if code := self.cluster.findings:
                raise Broken("; ".join(code))
            time.sleep(TICK_S)
            self.cluster.look(self.leaving)
        return time.monotonic() - began


def check(cluster, rss_mb_max):
    """(accounts, findings): what the lives left behind, once all have ended."""
    accounts, findings = [], list(cluster.findings)
    for device, source in cluster.shape.sources.items():
        evidence = [life.evidence for life in cluster.devices[device].lives]
        accounts.append(account_of(source["name"], [life for life in evidence if life is not None]))
        findings += accounts[-1].findings
    for life in cluster.lives:
        most = max(life.rss_bytes, default=0) / 2**20
        if most > rss_mb_max:
            findings.append(f"{life.device.name} took {most:.0f} MiB, more than {rss_mb_max}")
        findings += [f"{life.node.log_path.name}: {line}" for line in life.node.log().splitlines()
                     if COMPLAINT.search(line)]
    return accounts, findings


def told(player, seed):
    """For people who are to find out what went wrong."""
    faults = text_of(fault for _, fault in player.struck)
    return f"seed {seed}; faults so far:\n{faults or '  none'}\nconfigurations, logs and results: {player.cluster.folder}"
