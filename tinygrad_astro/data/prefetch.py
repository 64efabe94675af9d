"""Batches prepared ahead by one thread: never a fork, no lost exception, no thread left behind."""

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any


def prefetch(source: Iterable, depth: int = 2) -> Iterator[Any]:
    """Give the items of `source`, computed by a thread up to `depth` items ahead.

    An exception of `source` is raised here, at its place in the order, with the traceback of where
    it came from. Closing the iterator, or dropping it, stops the thread before it returns.

    Parameters
    ----------
    source : iterable
    depth : int
        Items that may wait, at least 1; 0 computes each item when it is asked for.

    Examples
    --------
    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    if depth == 0:
        yield from source
        return
    ready: queue.Queue = queue.Queue(depth)
    stop = threading.Event()
    end = object()

    def work():
        try:
            for item in source:
                ready.put((item, None))
                if stop.is_set():
                    return
            ready.put((end, None))
        except BaseException as error:  # even an interrupt must reach the thread that waits
            ready.put((end, error))

    thread = threading.Thread(target=work, name="tinygrad_astro-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        stop.set()
        # The worker may wait in one last put; room for it lets it see the stop.
        while thread.is_alive():
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                pass
        thread.join()
