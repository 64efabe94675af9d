"""Sizes at the edge of what 32 bits count, and what a card refuses but Python would not."""

import threading

import numpy as np
import pytest

import tinygrad_astro as ta


def test_a_chunk_may_reach_further_than_32_bits(gpu, up, blank):
    """Two rows of 2**24 columns: 256 rows of them would wrap around to nothing."""
    from tinygrad_astro.kernels.cuda import reductions

    inner = 2**24
    x = np.zeros(2 * inner, np.uint8)
    x[0], x[inner] = 3, 4
    total, largest = blank(1, np.float64), blank(1, np.uint8)
    geometry = 1, 2 * inner, inner, reductions.CHUNK, 1
    there = up(x)
    reductions.sum_chunks(1, total, there, *geometry, dtype=np.uint8)
    reductions.extreme_chunks(1, largest, there, *geometry, 1, dtype=np.uint8)
    assert total.item() == 7 and largest.item() == 4


def test_arrays_beyond_the_indices_are_refused(blank):
    with pytest.raises(ValueError, match="use smaller batches"):
        blank((2**16, 2**15))


def test_foreign_arrays_beyond_the_indices_are_refused(simulated):
    from tinygrad_astro.kernels.cuda.array import borrow

    class Huge:
        __cuda_array_interface__ = {
            "shape": (2**31,), "typestr": "|u1", "data": (4096, False), "version": 3,
        }  # fmt: skip

    with pytest.raises(ValueError, match="use smaller batches"):
        borrow(Huge())


def test_a_number_that_does_not_fit_its_word_is_refused_as_at_a_launch():
    @ta.cuda.kernel("T* u")
    def nothing(out, n):
        pass

    with pytest.raises(OverflowError):
        nothing(1, ta.cuda.empty(1), -1)
    with pytest.raises((TypeError, ValueError)):
        nothing(1, ta.cuda.empty(1))


def test_grids_that_no_card_has_are_refused(simulated):
    @ta.cuda.kernel("T*")
    def nothing(out):
        pass

    with pytest.raises(ValueError, match="no grid"):
        nothing((1, 65536), ta.cuda.empty(1))


def test_products_wider_than_a_grid_take_the_plain_kernels(gpu):
    from tinygrad_astro.kernels.cuda import gemm

    assert gemm.suits(np.float32, 8, gemm.WIDEST, 100, 1, 1)
    assert not gemm.suits(np.float32, 8, gemm.WIDEST + 4, 100, 1, 1)
    assert -(-gemm.WIDEST // 64) <= 65535


def test_a_weight_gradient_keeps_its_memory_within_bounds(gpu, up, blank, rng, monkeypatch):
    from tinygrad_astro.kernels.cuda import conv_plain

    x, g = (rng.standard_normal((3, 7, 4, c)).astype(np.float32) for c in (2, 3))
    geometry, found = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1), []
    for most in (conv_plain.SUMS, 20):
        monkeypatch.setattr(conv_plain, "SUMS", most)
        out = blank((1, 1, 2, 3))
        gpu.conv.conv_weight_grad(out, up(x), up(g), *geometry)
        found.append(out.copy_to_host())
    np.testing.assert_allclose(*found, rtol=1e-6)
    np.testing.assert_allclose(found[0][0, 0], np.einsum("nijc,nijk->ck", x, g), atol=1e-5)


def test_blocks_may_come_back_while_one_is_taken():
    """Garbage collection runs wherever Python allocates, in the pool's own methods too."""
    from tinygrad_astro.kernels.cuda.blocks import Pool

    pool = Pool(lambda size: bytearray(size))

    def collected():
        with pool.lock:
            pool.give(bytearray(512), 512)

    thread = threading.Thread(target=collected, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive() and pool.take(1)[1] == 512


def test_a_failed_allocation_is_not_counted():
    from tinygrad_astro.kernels.cuda.blocks import Pool

    def full(size):
        raise MemoryError

    pool = Pool(full)
    with pytest.raises(MemoryError):
        pool.take(100)
    assert pool.held == 0


def test_a_full_card_lets_go_of_free_blocks_and_then_says_how_full_it_is():
    from tinygrad_astro.kernels.cuda.blocks import Pool
    from tinygrad_astro.kernels.cuda.driver import Card

    class Stands:
        """For the driver's memory: 1000 bytes of it, and for the device and the stream."""

        left, memory_resource = 1000, property(lambda self: self)

        def allocate(self, size, stream):
            if size > self.left:
                raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY")
            self.left -= size
            return "block"

        def sync(self):
            self.left = 1000  # the freed blocks are back

    one = object.__new__(Card)
    one.device = one.own_stream = Stands()
    one.name, one.attend = "a card", lambda: None
    one.pool = one.own_pool = Pool(one.allocate)
    one.own_pool.give(*one.own_pool.take(700))
    assert one.own_pool.held == 768 and one.own_pool.take(500)[0] == "block"
    with pytest.raises(MemoryError, match="a card has no room for 1 MiB more.* smaller batches"):
        one.own_pool.take(2**20)
