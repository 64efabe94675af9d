"""CUDA for users: is it there, and why not; and the way to put a kernel of one's own on the tape.

Nothing here imports a CUDA package until it is needed.
"""

from tinygrad_astro.kernels.gpu import is_simulated, why_not
from tinygrad_astro.tape import Tensor

__all__ = ["empty", "graph", "is_available", "is_simulated", "kernel", "synchronize", "why_not"]


def is_available() -> bool:
    """Whether `device="cuda"` works here: on a card, or in the simulator.

    Examples
    --------
    >>> import tinygrad_astro as ta
    >>> ta.cuda.is_available() == (ta.cuda.why_not() is None)
    True
    """
    return why_not() is None


def synchronize() -> None:
    """Wait until the card has done all that it was asked to; needed before reading a clock."""
    from tinygrad_astro.kernels.cuda.driver import card

    card().wait()


def kernel(signature: str, block: int = 256):
    """Make a kernel of your own: a function that many threads run, each on its own index.

    Parameters
    ----------
    signature : str
        One word per argument: "T*" array of the dtype that it is called with, "i*" int64, "u*"
        uint32, "b*" bytes, "d*" float64; "T", "i", "u", "d" the same as single numbers.
    block : int
        Threads per block.

    Returns
    -------
    callable
        `k(threads, *arguments, dtype=...)`; array arguments are `tensor.data`, or what `empty`
        gives. It runs on the card, or thread by thread in the simulator.

    Notes
    -----
    The names `cuda` (numba.cuda), `math`, T (the dtype) and U (wraps to 32 bits) are given to the
    function. Arrays are flat pointers without bounds: test the index against the size.

    To put a kernel on the tape, wrap it in a primitive, with the gradient rule in ordinary ops::

        @ta.cuda.kernel("T* T* u")
        def cube_each(out, x, n):
            i = cuda.grid(1)
            if i < n:
                out[i] = x[i] * x[i] * x[i]

        @ta.primitive(lambda g, out, x: g * 3.0 * x * x)
        def cube(x):
            out = ta.cuda.empty(x.shape, x.dtype)
            cube_each(x.size, out, x, x.size, dtype=x.dtype)
            return out

        x = ta.tensor([1.0, 2.0], device="cuda", requires_grad=True)
        cube(x).sum().backward()
    """
    from tinygrad_astro.kernels.cuda.target import Kernel

    return lambda function: Kernel(function, signature, block=block, foreign=True)


def empty(shape, dtype="float32"):
    """Give a raw array on the card whose values are not set: for a kernel to write into."""
    from tinygrad_astro.kernels.cuda import namespace

    return namespace.empty(shape, dtype)


def graph(function, *examples):
    """Record what `function` launches, and replay it with one call: for small nets.

    Launching a kernel costs microseconds, which is most of the time of a small net's step. A graph
    launches all of them at once. `fit` and `train_on_batch` do this by themselves, see
    `compile(..., jit_compile="auto")`; this is for steps written by hand. Not yet run on a GPU.

    Parameters
    ----------
    function : callable
        Takes Tensors on cuda, gives a Tensor or a tuple of them. It may be a whole training step:
        forward, loss, backward, and the optimizer's `apply`. Shapes must be the same at every call.
        It is called twice, for trying it out and for recording; neither runs anything, so weights,
        counts and random numbers are moved by replays alone.
    *examples : Tensor
        On cuda; their shapes and dtypes are those of all later calls.

    Returns
    -------
    callable
        Takes Tensors like `examples`, gives what `function` gives, off the tape. The next call
        overwrites it.

    Raises
    ------
    RuntimeError
        If `function` does what a replay would not repeat: it reads a value, or copies an array to
        the card.
    ValueError
        At a replay with other shapes or dtypes.

    Notes
    -----
    New at every replay: an optimizer's rate, schedules included, and its count of steps; the seeds
    of dropout and noise. Other numbers, and what Python decides on the way, are as they were at the
    recording. Labels that are inputs cannot be looked at, so losses do not check them.

    A replay reads the model's weights where they were when it was recorded: optimizers and
    `set_weights` write them in place, but after `model.to(...)` record anew.

    Examples
    --------
    A whole step, replayed::

        def step(x, y):
            loss = objective(y, model(x, training=True))
            for w in model.trainable_weights:
                w.grad = None
            loss.backward()
            optimizer.apply([w.grad for w in model.trainable_weights], model.trainable_weights)
            return loss

        replay = ta.cuda.graph(step, x, y)
        for x, y in batches:
            loss = replay(x, y)
    """
    from tinygrad_astro.kernels.cuda.graph import Recorded

    single = []

    def on_arrays(*arrays):
        out = function(*[Tensor(a) for a in arrays])
        single[:] = [isinstance(out, Tensor)]
        return [out.data] if single[0] else [t.data for t in out]

    recorded = Recorded(on_arrays, [x.data for x in examples])

    def replay(*inputs):
        out = [Tensor(a) for a in recorded(*[x.data for x in inputs])]
        return out[0] if single[0] else tuple(out)

    return replay
