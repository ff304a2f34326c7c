#!/usr/bin/python3
"""Goal: the checkers of real chaos find what they are for, and a plan is what its seed says. Method: journals, result
lines and reports of a source with three lives, made here, sound at first; then one of them is spoiled at a time."""

import copy
import struct
import unittest

import fault_plan
from accounts import UNSEEN, Life, account_of
from chaos import DEVICES
from fault_plan import Fault, kills_in_turn, make_plan, read_plan, text_of
from journal_file import CAPTURED, COUNTS, HEADER, LIFE, MISSED, RESERVED, SETTLED, STATES, crc32c, read_journal


def record(kind, payload):
    whole = struct.pack("<HB", len(payload), kind) + payload
    return whole + struct.pack("<I", crc32c(whole))


def counts(below, captured, completed, failed, dropped, stream=0, name=b"front"):
    sums = struct.pack("<6Q", below, captured, captured, completed, failed, dropped)
    return record(COUNTS, struct.pack("<H", stream) + sums + name)


def entry(kind, number, stream=0):
    return record(kind, struct.pack("<HQ", stream, number))


def life(number):
    return record(LIFE, struct.pack("<Q", number))


def settled(k, state="completed"):
    return record(SETTLED, struct.pack("<HQB", 0, k, STATES.index(state)))


def line(k, incarnation, state="completed", reason=""):
    return {"source": "front", "k": k, "incarnation": incarnation, "state": state, "reason": reason}


def row(captured, completed, failed, dropped, earlier, attempts=0, admitted=0):
    lives = dict(zip(("captured", "completed", "failed", "dropped"), earlier))
    return {"sources": [{"name": "front", "captured": captured, "completed": completed, "failed": failed,
                         "dropped": {"reservoir_full": dropped}, "in_flight": 0, "attempts": attempts,
                         "admitted": admitted, "earlier_lives": lives}]}


def first_journal():
    """0 and 1 completed, 2 dropped, 3 and 4 open, two missed before the core."""
    return [HEADER, counts(0, 0, 0, 0, 0), life(1), entry(RESERVED, 1024), *(entry(CAPTURED, k) for k in range(5)),
            settled(0), settled(2, "dropped"), settled(1), entry(MISSED, 2)]


def second_journal():
    """3 and 4 are told as failed, 1024 completes, 1025 stays open."""
    return [HEADER, counts(1024, 5, 2, 0, 3), life(1), entry(CAPTURED, 3), entry(CAPTURED, 4), life(2),
            settled(3, "failed"), settled(4, "failed"), entry(RESERVED, 2048), entry(CAPTURED, 1024),
            entry(CAPTURED, 1025), settled(1024)]


def three_lives():
    """Killed, killed, ended in order. The lines of the first life's last second are missing."""
    return [Life([line(0, 1)], read_journal(b"".join(first_journal()))),
            Life([line(3, 1, "failed", "source_restarted"), line(4, 1, "failed", "source_restarted"), line(1024, 2)],
                 read_journal(b"".join(second_journal()))),
            Life([line(1025, 2, "failed", "source_restarted"), line(2048, 3), line(2049, 3, "dropped", UNSEEN)],
                 report=row(3, 1, 1, 1, (8, 3, 2, 3), attempts=4, admitted=2))]


class Journals(unittest.TestCase):
    def test_the_checksum_is_crc_32c(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    def test_a_journal_tells_what_was_captured_settled_and_left_open(self):
        journal = read_journal(b"".join(second_journal()))
        front = journal.streams["front"]
        self.assertEqual((journal.life, journal.problems), (2, []))
        self.assertEqual(front.before, {"captured": 5, "admitted": 5, "completed": 2, "failed": 0, "dropped": 3})
        self.assertEqual(front.captured, {3: 1, 4: 1, 1024: 2, 1025: 2})
        self.assertEqual(front.settled, {3: "failed", 4: "failed", 1024: "completed"})
        self.assertEqual((front.open(), front.below), ({1025: 2}, 2048))
        self.assertEqual(read_journal(b"".join(first_journal())).streams["front"].missed, 2)

    def test_a_journal_that_is_torn_damaged_or_foreign_is_told(self):
        whole = b"".join(first_journal())
        for cut in (1, 5, len(record(LIFE, bytes(8))) + 1):
            self.assertEqual(read_journal(whole[:-cut]).problems, ["its last record is torn"])
        self.assertIn("damaged", read_journal(whole[:-1] + bytes([whole[-1] ^ 1])).problems[0])
        self.assertIn("does not begin", read_journal(b"a letter").problems[0])

    def test_a_number_used_or_settled_twice_or_not_reserved_is_told(self):
        for spoiled, word in ((entry(CAPTURED, 3), "used twice"), (entry(CAPTURED, 1024), "not reserved"),
                              (settled(0), "settled twice"), (settled(9), "no frame 9")):
            problems = read_journal(b"".join([*first_journal(), spoiled])).problems
            self.assertEqual(len(problems), 1)
            self.assertIn(word, problems[0])


class Accounts(unittest.TestCase):
    def findings(self, spoil):
        lives = copy.deepcopy(three_lives())
        spoil(lives)
        return account_of("front", lives)

    def test_three_lives_that_fit_are_added_up_without_a_finding(self):
        account = account_of("front", three_lives())
        self.assertEqual(account.findings, [])
        self.assertEqual(account.sums, {"captured": 11, "completed": 4, "failed": 3, "dropped": 4})
        self.assertEqual((account.lost, account.duplicated, account.retried), (0, 0, 2))
        self.assertEqual(account.reasons, {"source_restarted": 3})
        self.assertEqual(account.untold, {1: 1, 2: 0})

    def test_a_life_that_was_killed_before_its_journal_began_counts_for_nothing(self):
        lives = three_lives()
        for at in (1, 2):
            again = lives[:at] + [Life([], lives[at - 1].journal)] + lives[at:]
            self.assertEqual(account_of("front", again).findings, [])
            self.assertEqual(account_of("front", again).sums["captured"], 11)

    def test_a_frame_that_is_delivered_twice_is_found(self):
        for at, again in ((0, line(0, 1)), (1, line(0, 1)), (2, line(1024, 2))):
            account = self.findings(lambda lives: lives[at].lines.append(again))
            self.assertGreater(account.duplicated, 0)
            self.assertIn("delivered more than once", account.findings[0])

    def test_a_frame_that_two_lives_settle_is_found_though_its_lines_are_missing(self):
        def spoil(lives):
            for k in (1, 2):
                lives[1].journal.streams["front"].captured[k] = 1
                lives[1].journal.streams["front"].settled[k] = "failed"

        account = self.findings(spoil)
        self.assertEqual(account.duplicated, 2)
        self.assertIn("frame 1 was told as completed and again as failed", account.findings[0])

    def test_a_frame_that_nobody_tells_is_lost(self):
        account = self.findings(lambda lives: lives[2].lines.pop(0))
        self.assertEqual(account.lost, 1)
        self.assertTrue(any("never told: [1025]" in finding for finding in account.findings))
        account = self.findings(lambda lives: lives[1].journal.streams["front"].settled.pop(3))
        self.assertEqual(account.lost, 1)

    def test_a_number_of_two_lives_is_found(self):
        account = self.findings(lambda lives: lives[2].lines.append(line(1024, 3)))
        self.assertTrue(any("numbers of two lives" in finding for finding in account.findings))

    def test_a_line_that_the_journal_does_not_confirm_is_found(self):
        for spoiled in (line(3, 1), line(0, 1, "dropped")):
            account = self.findings(lambda lives: lives[0].lines.__setitem__(0, spoiled))
            self.assertTrue(any("in the journal it is" in finding for finding in account.findings), spoiled)

    def test_sums_that_do_not_fit_are_found_wherever_they_are_told(self):
        def in_report(key, value):
            return lambda lives: lives[2].report["sources"][0].__setitem__(key, value)

        def in_earlier(key):
            return lambda lives: lives[2].report["sources"][0]["earlier_lives"].__setitem__(key, 99)

        def before(lives):
            lives[1].journal.streams["front"].before["completed"] = 3

        def missed(lives):
            lives[0].journal.streams["front"].missed = 0
            lives[0].lines.append(line(5, 1, "dropped", UNSEEN))

        spoils = [in_report("captured", 4), in_report("in_flight", 1), in_report("completed", 2),
                  in_report("earlier_lives", None), in_report("name", "back"), before, missed]
        spoils += [in_earlier(key) for key in ("captured", "completed", "failed", "dropped")]
        for number, spoil in enumerate(spoils):
            self.assertNotEqual(self.findings(spoil).findings, [], number)

    def test_a_journal_with_a_problem_or_without_the_source_is_a_finding(self):
        self.assertIn("torn", self.findings(lambda lives: lives[0].journal.problems.append("torn")).findings[0])
        self.assertIn("does not know", self.findings(lambda lives: lives[0].journal.streams.clear()).findings[0])


class Plans(unittest.TestCase):
    def test_a_seed_makes_the_same_plan_every_time_and_another_seed_another(self):
        self.assertEqual(make_plan(7, 60, DEVICES), make_plan(7, 60, DEVICES))
        self.assertNotEqual(make_plan(7, 60, DEVICES), make_plan(8, 60, DEVICES))

    def test_a_plan_strikes_with_all_kinds_and_never_more_than_two_at_a_time(self):
        kinds = set()
        for seed in range(200):
            plan = make_plan(seed, 30, DEVICES)
            self.assertEqual(plan, sorted(plan))
            for fault in plan:
                kinds.add(fault.kind)
                low, high = fault_plan.FOR_S[fault.kind]
                self.assertTrue(low <= fault.for_s <= high, fault)
                self.assertTrue(fault.at_s >= 1 and fault.at_s + fault.for_s <= 29.001, fault)
                away = [other for other in plan if other.at_s <= fault.at_s < other.at_s + other.for_s]
                self.assertLessEqual(len(away), 2)
                self.assertEqual(len({other.victim for other in away}), len(away))
        self.assertEqual(kinds, set(fault_plan.KINDS))
        self.assertEqual({fault.kind for seed in range(20) for fault in make_plan(seed, 30, DEVICES, ("cut",))}, {"cut"})

    def test_kills_in_turn_come_when_they_are_asked_for_and_never_twice_at_one_node(self):
        plan = kills_in_turn(3, 120, DEVICES, every_s=5, back_after_s=2, first_s=10)
        self.assertEqual([fault.at_s for fault in plan], [float(at) for at in range(10, 121, 5)])
        self.assertEqual({(fault.kind, fault.for_s) for fault in plan}, {("kill", 2)})
        self.assertTrue(all(one.victim != next_.victim for one, next_ in zip(plan, plan[1:])))
        self.assertEqual({fault.victim for fault in plan}, set(DEVICES))

    def test_a_plan_is_read_back_as_it_was_written(self):
        for seed in range(20):
            plan = make_plan(seed, 30, DEVICES)
            self.assertEqual(read_plan("# a heading\n\n" + text_of(plan)), plan)

    def test_what_is_no_fault_is_refused_with_its_line(self):
        good = str(Fault(1.0, "kill", "a", 1.0))
        for bad in ("kill a", good.replace("kill", "bite"), good.replace("1.000", "soon")):
            with self.assertRaisesRegex(ValueError, "line 2"):
                read_plan(good + "\n" + bad)


if __name__ == "__main__":
    unittest.main(verbosity=2)
