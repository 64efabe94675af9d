"""exp, expm1 and log as plain arithmetic, so that LLVM can turn a loop over them into SIMD.

A call to the C library's exp keeps a loop scalar and its last bits differ between systems. Here
x = n ln 2 + r with |r| <= ln(2)/2, e^x = 2^n (1 + p(r)), p the Taylor polynomial of e^r - 1, in
float64 whatever the type of x. NaN stays NaN.
"""

import numpy as np

from .target import inline

LOG2E = 1.4426950408889634
# ln 2 in two parts: n * LN2_HIGH is exact for |n| < 2**20.
LN2_HIGH = 6.93147180369123816490e-01
LN2_LOW = 1.90821492927058770002e-10
# Adding 1.5 * 2**52 rounds to an integer, which then sits in the low bits of the sum; the 1023 more
# is the bias of a float64's exponent.
ROUND = 6755399441055744.0
BIASED = ROUND + 1023.0
SHIFT = np.int64(52)
SQRT_HALF = np.int64(np.float64(0.5**0.5).view(np.int64))
LOWEST, HIGHEST = -708.0, 709.0


@inline
def _power_and_rest(x):
    """Give 2^n and p(r) = e^r - 1, with x = n ln 2 + r, x limited to the range of 2^n."""
    x = LOWEST if x < LOWEST else x
    x = HIGHEST if x > HIGHEST else x
    shifted = np.float64(x * LOG2E + BIASED)
    n = shifted - BIASED
    r = (x - n * LN2_HIGH) - n * LN2_LOW
    p = 1 / 6227020800.0
    p = p * r + 1 / 479001600.0
    p = p * r + 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    bits = np.int64(shifted.view(np.int64) << SHIFT)
    return bits.view(np.float64), p * r * r + r


@inline
def exp(x):
    """e^x in float64; 0 below -708, where float64 would soon be subnormal, inf above 709."""
    x = np.float64(x)
    scale, p = _power_and_rest(x)
    y = scale * p + scale
    y = 0.0 if x < LOWEST else y
    return np.inf if x > HIGHEST else y


@inline
def expm1(x):
    """e^x - 1 in float64 without cancellation near 0, for x <= 709."""
    x = np.float64(x)
    scale, p = _power_and_rest(x)
    y = scale * p + (scale - 1.0)
    return -1.0 if x < LOWEST else y


@inline
def log(x):
    """ln x in float64, of a normal positive number; NaN and infinity stay what they are.

    x = 2^n m with m from sqrt(1/2) to sqrt(2), and ln m = 2 artanh s, s = (m - 1) / (m + 1).
    """
    bits = np.float64(x).view(np.int64)
    n = (bits - SQRT_HALF) >> SHIFT
    m = np.int64(bits - (n << SHIFT)).view(np.float64)
    s = (m - 1.0) / (m + 1.0)
    t = s * s
    p = 1 / 23.0
    p = p * t + 1 / 21.0
    p = p * t + 1 / 19.0
    p = p * t + 1 / 17.0
    p = p * t + 1 / 15.0
    p = p * t + 1 / 13.0
    p = p * t + 1 / 11.0
    p = p * t + 1 / 9.0
    p = p * t + 1 / 7.0
    p = p * t + 1 / 5.0
    p = p * t + 1 / 3.0
    y = n * LN2_HIGH + (n * LN2_LOW + (2.0 * s * t * p + 2.0 * s))
    return y if x < np.inf else x
