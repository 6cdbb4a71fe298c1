"""Times commands in turn, so that whatever else the machine does meets all of them alike."""

import os
import shlex
import statistics
import sys
import time


def once(command, environment=None):
    """Wall and CPU seconds and peak MB of one run. The peak cannot be seen below that of this process, some 15 MB."""
    words = shlex.split(command)
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    begun = time.perf_counter()
    child = os.posix_spawnp(words[0], words, {**os.environ, **(environment or {})}, file_actions=null)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"no figures, it failed: {command}")
    return time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def interleaved(commands, rounds):
    """Medians by name: wall, CPU, peak, and the ratio of wall times to the first, round by round. A command comes with
    what is to be set in its environment."""
    taken = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for name, (command, environment) in commands.items():
            run = once(command, environment)
            if turn:  # the first fills the page cache
                taken[name].append(run)
    first = [run[0] for run in next(iter(taken.values()))]
    median = lambda runs, at: statistics.median(run[at] for run in runs)
    ratio = lambda runs: statistics.median(run[0] / base for run, base in zip(runs, first))
    return {name: (*(median(runs, at) for at in range(3)), ratio(runs)) for name, runs in taken.items()}
