"""The process of a worker (``worker``): what has to be done before anything is imported.

Hardly anything of what a start imports and makes is garbage, and looking for it took a third of the start.
"""

import gc
import sys

if __name__ == "__main__":
    gc.disable()  # until ``process.collect_garbage``
    from bearerd.serve.worker import main

    sys.exit(main())
