"""The thread that works ahead: order, errors with their traceback, and nothing left behind."""

import gc
import threading
import time
import traceback

import pytest

from tinygrad_astro.data.prefetch import prefetch


def workers():
    return [t for t in threading.enumerate() if t.name == "tinygrad_astro-prefetch"]


def failing():
    yield 1
    yield 2
    raise OSError("the disk is gone")


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_order_and_end(depth):
    assert list(prefetch(iter(range(100)), depth)) == list(range(100))
    assert not workers()


@pytest.mark.parametrize("depth", [0, 2])
def test_an_error_arrives_in_its_place_with_its_traceback(depth):
    items = prefetch(failing(), depth)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="disk is gone") as caught:
        next(items)
    assert "in failing" in "".join(traceback.format_exception(caught.value))
    assert not workers()


def test_closing_or_dropping_early_leaves_no_thread():
    def endless():
        while True:
            yield 0

    items = prefetch(endless())
    next(items)
    assert len(workers()) == 1
    items.close()
    assert not workers()
    for _ in prefetch(endless()):
        break
    gc.collect()
    assert not workers()


def test_nothing_starts_before_the_first_item():
    prefetch(failing())
    assert not workers()


def test_work_goes_on_while_the_consumer_is_busy():
    made = []

    def slow():
        for i in range(3):
            made.append(i)
            yield i

    items = prefetch(slow(), 2)
    next(items)
    deadline = time.monotonic() + 5
    while len(made) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made == [0, 1, 2]
    items.close()
