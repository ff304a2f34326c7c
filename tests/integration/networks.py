"""Devices in a network of their own: one network namespace each, all plugged into a bridge in a namespace that belongs
to the test. A device is cut off by pulling its plug out of the bridge: its own link stays up, and every packet vanishes,
as behind a firewall or a dead switch. Needs root; the names carry the process id, and what a killed test left is removed
by the next one."""

import os
import subprocess
import unittest

SUBNET = "10.77.0"
KEY = "a key for the tests of a network"
PORT = 7070


def _run(*words, check=True):
    ended = subprocess.run(words, capture_output=True, text=True)
    if check and ended.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {ended.stderr.strip()}")
    return ended.stdout


def why_not():
    """Why no network can be made here, or nothing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"eddy-{os.getpid()}-try"
    try:
        _run("ip", "netns", "add", name)
        _run("ip", "netns", "del", name)
        return None
    except (RuntimeError, FileNotFoundError) as error:
        return f"network namespaces cannot be made here: {error}"


def namespaces():
    return [line.split()[0] for line in _run("ip", "netns", "list").splitlines() if line.strip()]


def _remove_leftovers():
    for name in namespaces():
        parts = name.split("-")
        if parts[0] == "eddy" and len(parts) > 2 and parts[1].isdigit() and not os.path.exists(f"/proc/{parts[1]}"):
            _run("ip", "netns", "del", name, check=False)


class Device:
    def __init__(self, network, number):
        self.network, self.number = network, number
        self.host = f"{SUBNET}.{number}"
        self.address = f"{self.host}:{PORT}"
        self.namespace = f"{network.prefix}-{number}"
        self.port = f"p{number}"
        _run("ip", "netns", "add", self.namespace)
        _run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        _run("ip", "-n", network.switch, "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns",
             self.namespace)
        _run("ip", "-n", self.namespace, "address", "add", f"{self.host}/24", "dev", "eth0")
        _run("ip", "-n", self.namespace, "link", "set", "eth0", "up")
        _run("ip", "-n", network.switch, "link", "set", self.port, "up")
        self.plug()

    @property
    def inside(self):
        """Words that start a program on this device."""
        return ("ip", "netns", "exec", self.namespace)

    def unplug(self):
        """From now on its packets vanish, both ways."""
        _run("ip", "-n", self.network.switch, "link", "set", self.port, "nomaster")

    def plug(self):
        _run("ip", "-n", self.network.switch, "link", "set", self.port, "master", "bridge")

    def knows_wrongly(self, host):
        """Packets to `host` go to a card that nobody has: no answer at all, not even that there is none."""
        _run("ip", "-n", self.namespace, "neighbour", "replace", host, "lladdr", "02:00:00:00:00:99", "dev", "eth0")

    def shape(self, rate_mbit, queue_ms=50):
        """Its link takes so much, each way."""
        limit = ("tbf", "rate", f"{rate_mbit}mbit", "burst", "16kb", "latency", f"{queue_ms}ms")
        _run("tc", "-n", self.namespace, "qdisc", "replace", "dev", "eth0", "root", *limit)
        _run("tc", "-n", self.network.switch, "qdisc", "replace", "dev", self.port, "root", *limit)

    def tables(self):
        """What a node's configuration needs here, for Story.node()."""
        return {"node": {"listen": self.address}, "cluster": {"key": KEY}, "inside": self.inside}


class Network:
    def __init__(self, devices):
        _remove_leftovers()
        self.prefix = f"eddy-{os.getpid()}"
        self.switch = f"{self.prefix}-switch"
        self.devices = []
        try:
            _run("ip", "netns", "add", self.switch)
            _run("ip", "-n", self.switch, "link", "add", "bridge", "type", "bridge")
            _run("ip", "-n", self.switch, "link", "set", "bridge", "up")
            for number in range(1, devices + 1):
                self.devices.append(Device(self, number))
        except RuntimeError:
            self.close()
            raise

    def close(self):
        for namespace in (*(device.namespace for device in self.devices), self.switch):
            _run("ip", "netns", "del", namespace, check=False)


def network_for(test, devices):
    """A network that goes with the test; where none can be made the test is skipped."""
    if why := why_not():
        raise unittest.SkipTest(why)
    network = Network(devices)
    test.addCleanup(network.close)
    return network
