#!/usr/bin/python3
"""Goal: `eddy doctor` says why a peer is not seen and what to do, for everything that goes wrong between two devices,
and says nothing where nothing is wrong. Method: one broken thing at a time: real nodes, nodes made by hand, other
programs, and devices in network namespaces whose packets vanish."""

import json
import os
import signal
import socket

from networks import KEY, network_for
from nodes import EDDY, RESNET, SSDLITE, Story, free_port, main, run, toml, until
from stranger import FakeNode, Stranger, until_closed


class Doctor(Story):
    def config(self, *, name="me", listen="127.0.0.1:0", seeds=(), node=(), cluster=(), model=None):
        """The configuration of a node that does not run."""
        path = self.folder / f"{name}.toml"
        tables = {"node": {"name": name, "listen": listen, "data_dir": f"state-{name}"} | dict(node),
                  "cluster": {"name": "story", "seeds": list(seeds)} | dict(cluster)}
        if model:
            tables["model"] = {"path": str(model)}
        path.write_text(toml(tables))
        return path

    def ask(self, config, *flags, inside=()):
        """Exit code and checks; shown to people it must say the same."""
        told = run(EDDY, "doctor", "--config", config, "--json", *flags, inside=inside)
        self.assertNotIn("terminate", told.stderr)
        answer = json.loads(told.stdout)
        self.assertEqual(answer["schema"], "eddy.doctor/1")
        self.assertEqual(answer["ok"], told.returncode == 0)
        for check in answer["checks"]:
            self.assertEqual(set(check), {"check", "where", "ok", "problem", "advice", "seen"})
            self.assertEqual((bool(check["problem"]), bool(check["advice"]), bool(check["seen"])),
                             (not check["ok"], not check["ok"], check["ok"]), check)
        return told.returncode, answer["checks"]

    def wrong(self, config, *flags, inside=()):
        """The checks that are not well; there must be some."""
        code, checks = self.ask(config, *flags, inside=inside)
        wrong = [check for check in checks if not check["ok"]]
        self.assertEqual(code, 1, checks)
        return wrong

    def finds(self, config, check, where, *words, flags=(), inside=()):
        """Exactly one thing is wrong, of this kind, at this place, with all the words in problem and advice."""
        wrong = self.wrong(config, *flags, inside=inside)
        self.assertEqual([(each["check"], each["where"]) for each in wrong], [(check, where)], wrong)
        for word in words:
            self.assertIn(word, wrong[0]["problem"] + " TO DO " + wrong[0]["advice"])
        return wrong[0]

    # -- all well

    def test_where_nothing_is_wrong_it_says_so_from_outside_and_beside_the_running_node(self):
        a = self.node("a", relay=True).ready()
        me = self.config(seeds=[a.address])
        code, checks = self.ask(me)
        self.assertEqual(code, 0, checks)
        self.assertEqual([check["check"] for check in checks],
                         ["config", "data_dir", "node", "listen", "advertise", "model", "seed"])
        self.assertIn("a (", checks[-1]["seen"])
        self.assertFalse((self.folder / "state-me").exists(), "it only looks")
        shown = run(EDDY, "doctor", "--config", me)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        self.assertIn("all well: 7 checks", shown.stdout)

        b = self.node("b", relay=True, seeds=[a]).ready()
        self.ring(a, b)
        c = self.node("c", relay=True, seeds=[b]).ready()
        self.ring(a, b, c)
        code, checks = self.ask(c.config)
        self.assertEqual(code, 0, checks)
        self.assertEqual([(each["check"], each["where"]) for each in checks[-3:]],
                         [("seed", b.address), ("advertise", c.address), ("member", a.address)])
        self.assertIn("itself", checks[-2]["seen"])
        self.assertIn("ring of 3", " ".join(check["seen"] for check in checks))
        self.assertEqual(a.members(), ["a", "b", "c"], "the doctor is no member")
        self.assertNotIn("warning", a.log())
        for node in (c, b, a):
            self.stops_well(node)

    # -- the way to the other device

    def test_a_port_where_nobody_listens_is_refused(self):
        address = f"127.0.0.1:{free_port()}"
        self.finds(self.config(seeds=[address]), "seed", address, "refused", "nobody listens", "start eddy-node")
        shown = run(EDDY, "doctor", "--config", self.folder / "me.toml")
        self.assertEqual((shown.returncode, shown.stderr), (1, ""))
        for word in ("WRONG  seed", address, "to do: start eddy-node", "1 problem in 7 checks"):
            self.assertIn(word, shown.stdout)

    def test_a_name_without_an_address_does_not_resolve(self):
        config = self.config(seeds=["no-such-device.invalid:7070"], listen=f"127.0.0.1:{free_port()}",
                             node={"advertise": "192.0.2.1:7070"}, cluster={"key": KEY})
        wrong = self.wrong(config)
        seed = next(check for check in wrong if check["check"] == "seed")
        self.assertIn("does not resolve", seed["problem"])
        self.assertIn("getent hosts no-such-device.invalid", seed["advice"])
        # The address others are told leads to a node that takes only loopback connections.
        self.assertEqual([check["check"] for check in wrong], ["advertise", "seed"])

    def test_a_device_that_drops_every_packet_is_filtered_and_one_without_a_route_is_not(self):
        here, there, hidden = network_for(self, 3).devices
        for host in (there.host, hidden.host):
            here.knows_wrongly(host)
        config = self.config(listen=here.address, seeds=[there.address, "203.0.113.9:7070"], cluster={"key": KEY})
        wrong = self.wrong(config, "--timeout", "0.5", inside=here.inside)
        self.assertEqual([(each["check"], each["where"]) for each in wrong],
                         [("seed", there.address), ("seed", "203.0.113.9:7070")])
        self.assertIn("filtered", wrong[0]["problem"])
        self.assertIn("firewall", wrong[0]["advice"])
        self.assertIn("no way to it", wrong[1]["problem"])
        self.assertIn("unreachable", wrong[1]["problem"])
        self.assertIn("ip route get 203.0.113.9", wrong[1]["advice"])

    def test_a_node_that_is_cut_off_is_filtered_for_a_running_node_too(self):
        here, there = network_for(self, 2).devices
        b = self.node("b", relay=True, **there.tables()).ready()
        a = self.node("a", relay=True, seeds=[there.address], **here.tables()).ready()
        self.ring(a, b)
        self.assertEqual(self.ask(a.config, inside=here.inside)[0], 0)
        there.unplug()
        here.knows_wrongly(there.host)  # or the kernel would give up after asking who has this address
        a.sees("a")
        self.finds(a.config, "seed", there.address, "filtered", flags=("--timeout", "0.5"), inside=here.inside)

    def test_a_node_that_is_stopped_accepts_and_says_nothing(self):
        a = self.node("a", relay=True).ready()
        address = a.address
        a.kill(signal.SIGSTOP)
        self.finds(self.config(seeds=[address]), "seed", address, "says nothing", "hangs", flags=("--timeout", "0.5"))
        a.kill(signal.SIGCONT)
        until(lambda: self.ask(self.folder / "me.toml")[0] == 0, "all is well again")
        self.stops_well(a)

    # -- who answers there

    def test_other_programs_are_told_from_nodes(self):
        def web_server(connection):
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

        def greeter(connection):
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
            until_closed(connection)

        for talk, words in ((web_server, ["something else than Eddy", "ss -ltnp"]),
                            (greeter, ["something else than Eddy"]),
                            (until_closed, ["says nothing"]),
                            (lambda connection: None, ["before a word was said"])):
            address = Stranger(self, talk).address
            with self.subTest(words):
                self.finds(self.config(seeds=[address]), "seed", address, *words, flags=("--timeout", "0.5"))

    def test_another_version_is_told_with_both_numbers(self):
        address = FakeNode(self, version=7).address
        self.finds(self.config(seeds=[address]), "seed", address, "version 7", "version 2", "same release")

    def test_other_clusters_and_other_keys_are_told(self):
        a = self.node("a", relay=True, cluster={"key": KEY}).ready()
        for cluster, words in (
            ({"key": "another key altogether"}, ["keys differ", "key_file"]),
            ({}, ["keys differ", "has none"]),
            ({"name": "elsewhere", "key": KEY}, ['"story"', '"elsewhere"', "[cluster] name"]),
        ):
            with self.subTest(cluster):
                self.finds(self.config(seeds=[a.address], cluster=cluster), "seed", a.address, *words)
        self.assertEqual(self.ask(self.config(seeds=[a.address], cluster={"key": KEY}))[0], 0)
        self.stops_well(a)

    def test_a_clock_far_off_is_told_and_one_a_little_off_is_not(self):
        for ahead_s, words in ((7200, ["7200", "ahead of"]), (-3600, ["3600", "behind"]), (-8, ["behind"])):
            address = FakeNode(self, clock_ahead_s=ahead_s).address
            with self.subTest(ahead_s):
                self.finds(self.config(seeds=[address]), "clock", address, *words, "NTP")
        for ahead_s in (3, -3, 0):
            with self.subTest(ahead_s):
                code, checks = self.ask(self.config(seeds=[FakeNode(self, clock_ahead_s=ahead_s).address]))
                self.assertEqual(code, 0, checks)

    def test_another_model_is_told(self):
        address = FakeNode(self, chain_hash=b"\x5a" * 32).address
        self.finds(self.config(seeds=[address], model=SSDLITE), "model", address, "5a5a5a5a there", "only relays")
        self.assertEqual(self.ask(self.config(seeds=[address]))[0], 0, "a node without a model relays for anyone")

    def test_a_node_with_this_nodes_id_is_told_whether_it_is_a_seed_or_was_there_before(self):
        mine = "00112233445566778899aabbccddeeff00112233"
        address = FakeNode(self, name="copy", node_id=bytes.fromhex(mine)).address
        self.finds(self.config(seeds=[address], node={"id": mine}), "seed", address, "another node has this node's id",
                   '"copy"', "data_dir")
        a = self.node("a", relay=True).ready()
        b = self.node("b", relay=True, seeds=[a]).ready()
        self.ring(a, b)
        clone = self.node("b", relay=True, seeds=[a], node={"data_dir": "state-clone"}).ready()
        clone.logs("warning", "a data_dir, of its own")
        self.finds(clone.config, "ring", a.address, "another node has this node's id", "data_dir")
        self.assertEqual(self.ask(b.config)[0], 0, "who was first has nothing to correct")
        for node in (clone, b, a):
            self.stops_well(node)

    # -- this device

    def test_a_broken_configuration_is_a_usage_error_and_told_line_by_line(self):
        config = self.config()
        config.write_text(config.read_text().replace('listen = "127.0.0.1:0"', "listen = 7\nnmae = 1"))
        code, checks = self.ask(config)
        self.assertEqual(code, 2)
        self.assertEqual([check["check"] for check in checks], ["config"] * 2)
        self.assertIn("me.toml:3: [node] listen: found 7", checks[0]["problem"])
        self.assertIn("did you mean name?", checks[1]["problem"])
        self.assertEqual(self.ask(self.folder / "gone.toml")[0], 2)
        self.assertEqual(run(EDDY, "doctor").returncode, 2)
        self.assertEqual(run(EDDY, "doctor", "--config", config, "--timeout", "0").returncode, 2)
        shown = run(EDDY, "doctor", "--help")
        self.assertEqual((shown.returncode, "Example" in shown.stdout), (0, True))

    def test_a_folder_that_cannot_be_written_to_is_told(self):
        (self.folder / "a-file").touch()
        for data_dir in ("a-file/state", "a-file"):
            self.finds(self.config(node={"data_dir": data_dir}), "data_dir", str(self.folder / data_dir),
                       "is not a folder", "[node] data_dir")
        (self.folder / "state-me").mkdir()
        (self.folder / "state-me" / "identity").write_text("half a li")
        self.finds(self.config(), "data_dir", str(self.folder / "state-me"), "not a node's identity")
        if os.geteuid() != 0:
            (self.folder / "locked").mkdir(mode=0o500)
            self.finds(self.config(node={"data_dir": "locked/state"}), "data_dir", str(self.folder / "locked/state"),
                       "cannot write to")

    def test_a_port_that_another_program_has_and_an_address_of_another_device_are_told(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            address = f"127.0.0.1:{held.getsockname()[1]}"
            self.finds(self.config(listen=address), "listen", address, "in use", "ss -ltnp")
        self.finds(self.config(listen="192.0.2.1:7070", cluster={"key": KEY}), "listen", "192.0.2.1:7070",
                   "cannot listen", "an address of this device")

    def test_an_address_that_leads_others_astray_is_told(self):
        for node, seeds, word in (
            ({"advertise": "127.0.0.1:7070"}, ["192.0.2.1:7070"], "leads each of them to itself"),
            ({"advertise": "0.0.0.0:7070"}, [], "nobody can dial 0.0.0.0"),
        ):
            with self.subTest(word):
                config = self.config(listen="0.0.0.0:0", node=node, seeds=seeds, cluster={"key": KEY})
                wrong = [check for check in self.wrong(config, "--timeout", "0.2") if check["check"] == "advertise"]
                self.assertEqual(len(wrong), 1)
                self.assertIn(word, wrong[0]["problem"])

    def test_a_model_that_cannot_be_used_or_is_not_the_loaded_one_is_told(self):
        broken = self.folder / "broken.pt"
        broken.write_bytes(SSDLITE.read_bytes()[:100_000])
        self.finds(self.config(model=broken), "model", str(broken), "broken.pt", "copy it")
        changed = self.folder / "model.pt"
        changed.symlink_to(SSDLITE)
        a = self.node("a", model={"path": str(changed)}).ready()
        self.assertEqual(self.ask(a.config)[0], 0)
        changed.unlink()
        changed.symlink_to(RESNET)
        self.finds(a.config, "model", str(changed), "has loaded another one", "restart")
        self.stops_well(a)

    def test_a_running_node_that_does_not_answer_is_told(self):
        a = self.node("a", relay=True).ready()
        a.kill(signal.SIGSTOP)
        wrong = self.wrong(a.config)
        self.assertEqual(wrong[0]["check"], "node")
        self.assertIn("no answer in time", wrong[0]["problem"])
        a.kill(signal.SIGCONT)
        self.stops_well(a)


main()
