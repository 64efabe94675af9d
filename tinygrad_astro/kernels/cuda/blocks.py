"""Memory that is used again: free blocks, sorted by size."""

import threading

SMALLEST = 512  # bytes of the smallest block


class Pool:
    """Free blocks by size, in powers of two and their halves (512, 768, 1024, 1536 ...)."""

    def __init__(self, allocate):
        self.allocate = allocate
        self.free: dict[int, list] = {}
        # Garbage collection gives blocks back at any moment: also inside of these methods.
        self.lock = threading.RLock()
        self.held = 0

    def take(self, nbytes):
        """Give (block, its size): a used one if there is one."""
        size = bucket(nbytes)
        with self.lock:
            blocks = self.free.get(size)
            if blocks:
                return blocks.pop(), size
        block = self.allocate(size)
        with self.lock:
            self.held += size
        return block, size

    def give(self, block, size):
        """Take a block back."""
        with self.lock:
            self.free.setdefault(size, []).append(block)

    def clear(self):
        """Let go of all free blocks."""
        with self.lock:
            free, self.free = self.free, {}
            self.held -= sum(size * len(blocks) for size, blocks in free.items())


def bucket(nbytes) -> int:
    """Round up to a power of two, or to three quarters of one."""
    size = SMALLEST
    while size < nbytes:
        size *= 2
    middle = size // 4 * 3
    return middle if middle >= max(nbytes, SMALLEST) else size
