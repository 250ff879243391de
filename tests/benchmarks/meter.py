"""How a timed process talks to `make bench`: it plays epochs only when it is asked to."""

import json
import resource
import sys
import time


class Meter:
    """Count steps and seconds; told `SECONDS` on standard input, let epochs be played so long."""

    def __init__(self):
        self.answers = sys.stdout
        sys.stdout = sys.stderr  # whatever else a library prints
        self.began, self.first = time.perf_counter(), None  # seconds until the first epoch is over
        self.skip = 2  # epochs to warm up
        self.wanted = self.steps = self.seconds = 0.0

    def __call__(self, steps, seconds):
        """Note an epoch; return whether to play another, after waiting for the order."""
        self.first = self.first or time.perf_counter() - self.began
        if self.skip:
            self.skip -= 1
            if self.skip:
                return True
        else:
            self.steps, self.seconds = self.steps + steps, self.seconds + seconds
            if self.seconds < self.wanted:
                return True
        # In kB on Linux; the peak of the whole process.
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = {'us': 1e6 * self.seconds / max(1, self.steps), 'memory': memory}
        answer['first'] = self.first
        print(json.dumps(answer), file=self.answers, flush=True)
        order = sys.stdin.readline()
        self.wanted, self.steps, self.seconds = float(order or 0), 0, 0.0
        return bool(order.strip())
