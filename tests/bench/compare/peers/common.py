"""What all peers share: the command line, timing every draw of every question, one JSON object as the answer.

A peer is a class that has `load()`, `size()`, `version()`, `empty()` (a statement that does nothing, or `None`),
perhaps a `note` that readers must know, and `question(filters)`. The last returns a function without arguments that
answers one count, so that making texts and parameters is not timed.
"""

import json
import signal
import sys
from time import perf_counter

LEAST = 3  # draws that are timed even if they take longer
MOST = 150  # times the seconds of a question: so long may all take, loading included


def subjects(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def timed(asks, seconds):
    """Times and counts of the draws in turn until time is up, after a third of that time for warming.

    Where a single draw takes all the time, the first is asked once more, warm, and that is all.
    """
    began = perf_counter()
    asks[0]()
    if perf_counter() - began > seconds:
        start = perf_counter()
        count = asks[0]()
        return {"times": [perf_counter() - start], "counts": [count]}
    for ask in asks[1:]:
        if perf_counter() - began > seconds / 3:
            break
        ask()
    times, counts = [], []
    until = perf_counter() + seconds
    for ask in asks:
        if len(times) >= LEAST and perf_counter() > until:
            break
        start = perf_counter()
        counts.append(ask())
        times.append(perf_counter() - start)
    return {"times": times, "counts": counts}


def measure(peer, questions, seconds):
    start = perf_counter()
    peer.load()
    loaded = perf_counter() - start
    with open(questions, encoding="utf-8") as file:
        draws = json.load(file)
    answers = [timed([peer.question(filters) for filters in question], seconds) for question in draws]
    empty = timed([peer.empty] * 100, seconds)["times"] if peer.empty else []
    json.dump({"version": peer.version(), "note": getattr(peer, "note", None), "load": loaded, "bytes": peer.size(),
               "empty": empty, "answers": answers}, sys.stdout)


def arguments():
    """The cohort, the questions, an empty folder, seconds a question, and what else the peer is told."""
    _, cohort, questions, folder, seconds, *rest = sys.argv

    def end(number, _):
        raise SystemExit(f"it took more than {MOST * float(seconds):.0f} s" if number == signal.SIGALRM else "stopped")

    for number in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, end)  # an exception, so that servers are ended
    signal.alarm(int(MOST * float(seconds)))
    return cohort, questions, folder, float(seconds), rest
