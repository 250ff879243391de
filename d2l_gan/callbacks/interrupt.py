"""Listen to Ctrl-C and to the system's wish to end, so that an epoch can be saved first."""

import signal
import threading

from d2l_gan import cluster, speak
from d2l_gan.speak import tell

GRACE = 0.5  # seconds that an epoch may still take where somebody waits for the end


class Interrupt:
    """Hold back the first signal until the epoch is saved; the second one stops at once.

    Ctrl-C in a terminal has all the time that the epoch needs. Where somebody waits (SIGTERM, a
    notebook's interrupt) an epoch that takes longer than `GRACE` is given up.
    """

    def __init__(self):
        self.number, self.handlers, self.timer = None, {}, None

    def listen(self):
        """Take over the signals that are not ignored; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores them
                    self.handlers[number] = signal.signal(number, self._on_signal)

    def leave(self):
        """Stop now if a signal has asked for it."""
        if self.number is not None:
            number, self.number = self.number, None
            if self.timer:
                self.timer.cancel()
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    def forget(self):
        """Give the signals back, and stop now if one has come too late to be held back."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)
        self.handlers = {}
        self.leave()

    def _on_signal(self, number, frame):
        first, self.number = self.number is None, number
        team = cluster.team()
        if team:
            team.asked = int(number)  # who has heard it, too, need not pass it on
        if not first:
            if _would_be_lost(frame):
                self._again_in(0.01)
            else:
                self.leave()
        elif number == signal.SIGINT and not speak.in_notebook():
            tell('Stopping when this epoch is complete and saved; Ctrl-C again stops at once.')
        else:
            tell(f'Stopping when this epoch is complete and saved, in {GRACE:g} s at the latest.')
            self._again_in(GRACE)

    def _again_in(self, seconds):
        """Let the signal come again, to the main thread, which wakes from what it waits for."""
        main, number = threading.main_thread().ident, self.number
        self.timer = threading.Timer(seconds, lambda: signal.pthread_kill(main, number))
        self.timer.daemon = True
        self.timer.start()


def _would_be_lost(frame):
    """Return whether Python would only print what is raised here: MXNet's arrays have `__del__`."""
    while frame is not None and frame.f_code.co_name != '__del__':
        frame = frame.f_back
    return frame is not None
