#!/usr/bin/python3
"""Goal: a successor that is killed, stopped or cut off is noticed and replaced, the ring is whole again, and whoever
comes back does so as the same node. Method: real relays with the default timers, asked for their status every few
milliseconds; what happened and when is printed, since how long it takes is measured in bench/ring/repair.py and not
judged here."""

import signal

from networks import network_for
from nodes import Story, main, until
from ring_watch import Watch, in_ring_order, whole


class RingRepair(Story):
    def relays(self, count, devices=None):
        """A whole ring of relays, in ring order from the first one."""
        started = []
        for i in range(count):
            where = devices[i].tables() if devices else {}
            seeds = [devices[0].address] if devices and i else started[:1]
            started.append(self.node(f"n{i}", relay=True, seeds=seeds, **where).ready())
        until(lambda: whole(started), f"the ring of {count} is whole")
        return in_ring_order(started)

    def loses(self, nodes, lost, strike):
        """After strike() all others notice, in this order: a new successor, then a ring of those who are left."""
        others = [node for node in nodes if node is not lost]
        with Watch(others) as watch:
            watch.strike(lost, strike)
            # Seen by the watch as well, which looks a little later than this.
            until(lambda: whole(others) and None not in (watch.noticed_s(nodes[0]), watch.replaced_s(nodes[0], nodes[2])),
                  f"the ring closes without {lost.name}")
        first = nodes[0]
        noticed_s, replaced_s = watch.noticed_s(first), watch.replaced_s(first, nodes[2])
        print(f"\n    noticed after {noticed_s * 1e3:.0f} ms, replaced after {replaced_s * 1e3:.0f} ms, "
              f"whole after {watch.now_s() * 1e3:.0f} ms ", end="", flush=True)
        self.assertLessEqual(noticed_s, replaced_s)
        self.assertEqual(watch.lost_members() - {lost.name}, set(), "nobody else is suspected")
        return others

    def test_a_successor_that_is_killed_is_replaced_and_comes_back_without_a_ghost(self):
        a, b, *more = nodes = self.relays(4)
        before = b.status()["id"], b.status()["incarnation"]
        others = self.loses(nodes, b, lambda: b.kill(signal.SIGKILL))
        with Watch(others) as watch:
            again = self.node(b.name, relay=True, seeds=[a], node={"data_dir": f"state-{b.name}"}).ready()
            until(lambda: whole([a, again, *more]), "the restarted node is back in its place")
        self.assertEqual((again.status()["id"], again.status()["incarnation"]), (before[0], before[1] + 1))
        # One member by that name and id in every view, of the new life, at the new address, whenever one looked.
        for ring in watch.rings():
            self.assertLessEqual(sum(member["id"] == before[0] for member in ring), 1)
            self.assertEqual(len({member["name"] for member in ring}), len(ring))
        for node in (a, again, *more):
            (seen,) = (m for m in node.status()["ring"] if m["id"] == before[0])
            self.assertEqual((seen["incarnation"], seen["address"]), (before[1] + 1, again.address))

    def test_a_node_that_is_killed_and_started_again_at_once_is_taken_back(self):
        a, b, *more = self.relays(4)
        incarnation = b.status()["incarnation"]
        b.kill(signal.SIGKILL)
        again = self.node(b.name, relay=True, seeds=[a], node={"data_dir": f"state-{b.name}"}).ready()
        until(lambda: whole([a, again, *more]), "the restarted node is back in its place")
        for node in (a, again, *more):
            (seen,) = (m for m in node.status()["ring"] if m["name"] == b.name)
            self.assertEqual((seen["incarnation"], seen["address"]), (incarnation + 1, again.address))

    def test_a_successor_that_is_stopped_is_replaced_and_taken_back_when_it_goes_on(self):
        nodes = self.relays(4)
        self.loses(nodes, nodes[1], lambda: nodes[1].kill(signal.SIGSTOP))
        nodes[1].kill(signal.SIGCONT)
        until(lambda: whole(nodes), "who was stopped is back")
        self.assertEqual(nodes[1].status()["incarnation"], 1)

    def test_a_successor_that_is_cut_off_is_replaced_and_taken_back_when_the_cut_heals(self):
        devices = network_for(self, 5).devices
        nodes = self.relays(5, devices)
        device = next(each for each in devices if each.address == nodes[1].address)
        self.loses(nodes, nodes[1], device.unplug)
        until(lambda: nodes[1].members() == [nodes[1].name], "who is cut off is alone")
        device.plug()
        until(lambda: whole(nodes), "both halves are one ring again")

    def test_a_ring_of_two_loses_one_and_finds_it_again(self):
        devices = network_for(self, 2).devices
        a, b = self.relays(2, devices)
        with Watch([a]) as watch:
            watch.strike(b, devices[0 if b.address == devices[0].address else 1].unplug)
            until(lambda: a.members() == [a.name] and b.members() == [b.name], "each is alone")
            until(lambda: watch.noticed_s(a) is not None, "the watch has seen it as well")
        devices[0].plug(), devices[1].plug()
        until(lambda: whole([a, b]), "they are two again")

    def test_status_shows_the_ring_as_each_member_sees_it(self):
        nodes = self.relays(3)
        until(lambda: all(m["round_trip_ms"] for node in nodes for m in node.status()["ring"]
                          if m["successor"]), "the round trip to each successor is known")
        ids = [node.status()["id"] for node in nodes]
        for i, node in enumerate(nodes):
            status = node.status()
            self.assertEqual([member["id"] for member in status["ring"]], ids[i:] + ids[:i])
            self.assertEqual([(m["self"], m["successor"], m["predecessor"]) for m in status["ring"]],
                             [(True, False, False), (False, True, False), (False, False, True)])
            self.assertGreater(status["ring_epoch"], 0)
            self.assertEqual(status["unreached"], [])
            for member in status["ring"][1:]:
                self.assertLess(member["heard_ms_ago"], 60_000)
                self.assertEqual(member["incarnation"], 1)
                until(lambda: node.status()["ring"][1]["backlog"] == [], "an idle member reports that nothing waits")


main()
