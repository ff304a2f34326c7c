"""What a host takes away from the machine that measures: processor time that programs asked for and did not get."""

import statistics
from pathlib import Path

STAT = Path("/proc/stat")
STOLEN, KINDS = 7, 8  # in a line of processor times (man 5 proc); what follows is counted before already
BEARABLE = 0.02  # of all processors' time; a run under quotas that loses more measures the host
TRIES = 3  # unless something else is asked for


def processor_times(stat=STAT):
    """(stolen, all) of all processors since the machine started, in ticks."""
    times = [int(word) for word in stat.read_text(encoding="ascii").split("\n", 1)[0].split()[1 : 1 + KINDS]]
    return times[STOLEN], sum(times)


def stolen_fraction(before, after):
    passed = after[1] - before[1]
    return (after[0] - before[0]) / passed if passed > 0 else 0.0


def least_disturbed(measure, tries, say, times=processor_times):
    """What measure() gave, and the part that was stolen meanwhile: of the first time that was bearable, or of the least
    disturbed of all. None from measure() is a failure, and given back at once."""
    best = None
    for left in reversed(range(tries)):
        before = times()
        got = measure()
        stolen = stolen_fraction(before, times())
        if got is None:
            return None, stolen
        if best is None or stolen < best[1]:
            best = got, stolen
        if stolen <= BEARABLE:
            break
        say(f"  the host took {stolen:.1%} of the processors meanwhile; "
            + ("it is measured again" if left else f"the least of {tries} times was {best[1]:.1%}"))
    return best


def told(fractions):
    """For the page."""
    if not fractions:
        return "not measured"
    return f"{statistics.median(fractions):.1%} of the processors' time in the median run, {max(fractions):.1%} in the worst"
