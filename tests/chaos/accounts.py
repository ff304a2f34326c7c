"""Adds up what became of one source's frames over all lives of its node, from what those lives left behind, and finds
what does not fit. Pure.

A life that ended in order left all its result lines and a report. One that was killed left its journal as it lay there,
and those result lines that were on disk, which may lack the last second. Each frame must be told once, by the life that
captured it or by a later one; the sums of reports and journals must be those of the frames."""

from collections import Counter
from dataclasses import dataclass, field

STATES = ("completed", "failed", "dropped")
UNSEEN = "capture_queue_full"  # frames that the core never saw: the journal has only their count


@dataclass
class Life:
    """Of a node. `journal` (journal_file.Journal): as it was when the node was killed, None if it ended in order."""

    lines: list
    journal: object = None
    report: dict = None


@dataclass
class Account:
    source: str
    sums: Counter = field(default_factory=Counter)  # captured, completed, failed, dropped
    reasons: Counter = field(default_factory=Counter)  # of failed ones, where a line tells them
    lost: int = 0  # captured, and never told
    duplicated: int = 0  # told again
    retried: int = 0  # attempts beyond the first, as far as reports tell
    untold: dict = field(default_factory=dict)  # killed life: frames completed whose lines went with the process
    findings: list = field(default_factory=list)

    def find(self, what):
        self.findings.append(f"{self.source}: {what}")


def account_of(source, lives):
    account = Account(source)
    captured, told = {}, {}  # number: life, number: state
    last_life = 0
    _check_lines(account, lives)
    for life in lives:
        lines = [line for line in life.lines if line["source"] == source]
        account.reasons.update(line["reason"] for line in lines if line["state"] == "failed")
        if life.journal is None:
            last_life = max([last_life, *(line["incarnation"] for line in lines)])
            _book_lines(account, lines, captured, told)
            _check_report(account, life.report, lines)
        elif life.journal.life > last_life:
            last_life = life.journal.life
            _book_journal(account, life.journal, lines, captured, told)
        # Else it was killed before it began a journal of its own, and had captured nothing.
    account.lost = len(captured.keys() - told.keys())
    if account.lost:
        account.find(f"{account.lost} frames were captured and never told: {sorted(captured.keys() - told.keys())[:9]}")
    return account


def _check_lines(account, lives):
    """Nothing is delivered twice, and no number belongs to two lives."""
    named = Counter((line["incarnation"], line["k"]) for life in lives for line in life.lines
                    if line["source"] == account.source)
    twice = [name for name, count in named.items() if count > 1]
    account.duplicated = len(twice)
    if twice:
        account.find(f"{len(twice)} frames were delivered more than once: {sorted(twice)[:9]}")
    numbers = Counter(k for _, k in named)
    if shared := [k for k, count in numbers.items() if count > 1]:
        account.find(f"numbers of two lives: {sorted(shared)[:9]}")


def _tell(account, told, k, state):
    if k in told:
        account.duplicated += 1
        account.find(f"frame {k} was told as {told[k]} and again as {state}")
        return
    told[k] = state
    account.sums[state] += 1


def _capture(account, captured, k, life):
    if captured.setdefault(k, life) != life:
        account.find(f"frame {k} was captured in life {captured[k]} and in life {life}")


def _book_lines(account, lines, captured, told):
    for line in lines:
        if line["k"] not in captured:
            account.sums["captured"] += 1
        _capture(account, captured, line["k"], line["incarnation"])
        _tell(account, told, line["k"], line["state"])


def _book_journal(account, journal, lines, captured, told):
    for problem in journal.problems:
        account.find(f"the journal of life {journal.life}: {problem}")
    stream = journal.streams.get(account.source)
    if stream is None:
        return account.find(f"the journal of life {journal.life} does not know it")
    before = {name: stream.before[name] for name in ("captured", *STATES)}
    known = {name: account.sums[name] for name in STATES}
    known["captured"] = sum(known.values())
    if before != known:
        account.find(f"life {journal.life} began with {before}, but earlier lives told {known}")
    for k, life in stream.captured.items():
        if k not in captured:
            account.sums["captured"] += 1
        _capture(account, captured, k, life)
    for k, state in stream.settled.items():
        _tell(account, told, k, state)
    account.sums["captured"] += stream.missed
    account.sums["dropped"] += stream.missed
    seen = [line for line in lines if line["reason"] != UNSEEN]
    if len(lines) - len(seen) > stream.missed:
        account.find(f"life {journal.life} told of {len(lines) - len(seen)} missed frames, its journal of {stream.missed}")
    for line in seen:
        if stream.settled.get(line["k"]) != line["state"]:
            account.find(f"frame {line['k']} was delivered as {line['state']}; in the journal it is "
                         f"{stream.settled.get(line['k'], 'open')}")
    completed = sum(1 for state in stream.settled.values() if state == "completed")
    account.untold[journal.life] = completed - sum(line["state"] == "completed" for line in seen)


def _check_report(account, report, lines):
    """The sums of this report, and with those of earlier lives the sums of all that was told until now."""
    rows = [row for row in report["sources"] if row["name"] == account.source]
    if len(rows) != 1:
        return account.find(f"the report has {len(rows)} rows of it")
    row = rows[0]
    here = {"captured": row["captured"], "completed": row["completed"], "failed": row["failed"],
            "dropped": sum(row["dropped"].values())}
    account.retried += max(0, row["attempts"] - row["admitted"])
    if here["captured"] != sum(here[state] for state in STATES) + row["in_flight"] or row["in_flight"] != 0:
        account.find(f"the report's sums do not balance: {here}, in flight {row['in_flight']}")
    states = Counter(line["state"] for line in lines)
    if any(states[state] != here[state] for state in STATES):
        account.find(f"the report has {here}, the result lines {dict(states)}")
    earlier = row["earlier_lives"]
    if earlier is None:
        return account.find("the report knows nothing of earlier lives")
    for name in ("captured", *STATES):
        if earlier[name] + here[name] != account.sums[name]:
            account.find(f"{name}: the report has {here[name]}, and {earlier[name]} of earlier lives; all lives told "
                         f"{account.sums[name]}")
    return None
