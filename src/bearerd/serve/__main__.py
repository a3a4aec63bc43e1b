"""The process of a worker (``worker``): what has to be done before anything is imported.

Hardly anything of what a start imports and makes is garbage, and looking for it took a third of the start.
"""

import gc
import signal
import sys

if __name__ == "__main__":
    gc.disable()  # until ``process.collect_garbage``
    # These are for the supervisor, and reach every process where somebody sends them by name, by control group (systemctl
    # kill does) or from a terminal.
    for theirs in (signal.SIGHUP, signal.SIGINT, signal.SIGUSR2):
        signal.signal(theirs, signal.SIG_IGN)
    from bearerd.serve.worker import main

    sys.exit(main())
