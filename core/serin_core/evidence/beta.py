"""The incomplete beta function in logarithms, sound from counts of 0 to 10^12 and rates from 10^-6 to 1 - 10^-6.

With N = x + y, q = 1 - p, B the beta function and B_p the incomplete one, everything rests on two quantities:

    front(x, y, p) = p^x q^y / B(x, y)          the density of Beta(x, y) at p, times p q
    mills(x, y, p) = B_p(x, y) / (p^x q^y)      its lower tail over that: the Mills ratio of the beta distribution

so that I_p = front * mills, and the upper tail is front * mills(y, x, q).

- ln front = -N KL(x/N || p) + ln(x y / N)/2 - ln(2 pi)/2 - (delta(x) + delta(y) - delta(N)), where delta is the
  error of Stirling's formula and N KL is Loader's deviance: no big numbers are ever subtracted (Loader, Fast and
  Accurate Computation of Binomial Probabilities, 2000). The caller hands in d = x - N p, computed without cancellation.
- ln mills of the smaller tail: the even part of the continued fraction DLMF 8.17.22 (Didonato and Morris, ACM TOMS
  18(3), 1992), by Lentz's method. Of the larger tail: from the front and the smaller one.
- Near the mean of a large beta that fraction would need about sqrt(N) steps. There, Temme's transformation
  (DLMF 8.18(ii)): with N KL(x/N || t) = u^2/2,

      mills = e^(r^2/2) * integral of e^(-u^2/2) g(u) du up to r,     g(u) = u / (N (t - x/N))

  with g as a power series in u, integrated term by term. It holds on both sides of the mean without a limit to take.

Errors, measured against mpmath with 60 digits (tests/core/evidence/test_beta.py): ln mills and ln front are within
1e-11 + 1e-15 N KL of their value at the given (x, y, d), for N <= 10^12; within ten times that where x or y is below
0.01, down to 1e-5.
No difference of two lgamma of big numbers is taken.
"""

from math import erfc, exp, expm1, inf, lgamma, log, log1p, pi, sqrt
from operator import mul
from typing import Final

_HALF_LOG_2PI: Final = 0.5 * log(2 * pi)
_STIRLING_FROM: Final = 10.0
_NEAR: Final = 0.1
"""Below this relative distance the deviance is summed as a series: 0.01 a term."""
_SERIES_FROM: Final = 50.0
"""x y / N from which on the expansion about the mean is used..."""
_SERIES_UP_TO: Final = 8.0
"""... while N KL is at most this: four standard deviations. Farther out the continued fraction needs few steps."""
_ENOUGH_TERMS: Final = ((1e6, 5), (1e4, 7), (1e3, 9), (_SERIES_FROM, 15))
"""How many terms of the expansion are enough, by x y / N."""
_PRECISION: Final = 4e-16
_MAX_STEPS: Final = 5_000


def stirling_error(z: float) -> float:
    """Return ln Gamma(z) - ((z - 1/2) ln z - z + ln(2 pi)/2), z > 0 (DLMF 5.11.1; below 10 from lgamma)."""
    if z < _STIRLING_FROM:
        return lgamma(z) - (z - 0.5) * log(z) + z - _HALF_LOG_2PI
    w = 1 / (z * z)
    return (1 / 12 - w * (1 / 360 - w * (1 / 1260 - w * (1 / 1680 - w * (1 / 1188 - w * 691 / 360360))))) / z


def deviance(x: float, y: float, d: float, *, p: float, q: float) -> float:
    """Return N KL(x/N || p) for N = x + y, given d = x - N p."""
    n = x + y
    return _part(x, n * p, d) + _part(y, n * q, -d)


def log_front(x: float, y: float, far: float) -> float:
    """Return ln(p^x q^y / B(x, y)), given `far`, the deviance of p from x/N."""
    n = x + y
    return 0.5 * log(x * (y / n)) - _HALF_LOG_2PI - far - (stirling_error(x) + stirling_error(y) - stirling_error(n))


def log_mills(x: float, y: float, d: float, *, p: float, q: float) -> float:
    """Return ln(B_p(x, y) / (p^x q^y)), x, y > 0, 0 < p < 1, q = 1 - p, d = x - N p.

    The upper tail is `log_mills(y, x, -d, p=q, q=p)`.
    """
    far = deviance(x, y, d, p=p, q=q)
    middle = x * (y / (x + y))
    if middle >= _SERIES_FROM and far <= _SERIES_UP_TO:
        return log(_about_the_mean(x, y, middle, sqrt(2 * far) if d < 0 else -sqrt(2 * far)))
    if d + q - p > 0:
        return -log(_fraction(x, y, d, p))
    front = log_front(x, y, far)
    upper = min(front - log(_fraction(y, x, -d, q)), 0.0)
    return log_one_minus_exp(upper) - front


def log_one_minus_exp(x: float) -> float:
    """Return ln(1 - e^x) for x <= 0 (Maechler 2012: log1mexp)."""
    if x == 0:
        return -inf
    return log(-expm1(x)) if x > -log(2) else log1p(-exp(x))


def _part(x: float, mean: float, d: float) -> float:
    """Return x ln(x / mean) - d for d = x - mean (Loader's bd0)."""
    if abs(d) >= _NEAR * (x + mean):
        return x * log(x / mean) - d
    ratio = d / (x + mean)
    total, term, square, odd = d * ratio, 2 * x * ratio, ratio * ratio, 3
    while True:
        term *= square
        more = total + term / odd
        if more == total:
            return total
        total, odd = more, odd + 2


def _fraction(a: float, b: float, d: float, x: float) -> float:
    """Return x^a (1-x)^b / B_x(a, b), given d = a - (a + b) x > 2 x - 1."""
    value = c = a * (d + 1) / (a + 1)
    inverse = 0.0
    for m in range(1, _MAX_STEPS):
        k, beyond = a + 2 * m, m * (b - m) * x / (a + 2 * m - 1)
        up = (a + m - 1) * (a + b + m - 1) * x / (k - 1) * beyond
        down = m + beyond + (a + m) * (d + 1 + m * (2 - x)) / (k + 1)
        c = down + up / c
        inverse = 1 / (down + up * inverse)
        step = c * inverse
        value *= step
        if abs(step - 1) <= _PRECISION:
            break
    return value


def _about_the_mean(x: float, y: float, middle: float, r: float) -> float:
    """Return the Mills ratio where u = r, by the power series of g, integrated term by term.

    w = N (t - x/N) / sqrt(x y / N) obeys w w' = u (1 + k w - w^2 / N), k = (y - x) / (N sqrt(x y / N)): so its square
    W has (n + 1) W[n+1] = 2 (k w[n-1] - W[n-1] / N), and g = (u / w) / sqrt(x y / N).
    """
    n, root = x + y, sqrt(middle)
    k = (y - x) / n / root
    terms = next(terms for least, terms in _ENOUGH_TERMS if middle >= least)
    w, squares = [0.0, 1.0], [0.0, 0.0, 1.0]
    for place in range(2, terms + 1):
        square = 2 * (k * w[place - 1] - squares[place - 1] / n) / (place + 1)
        squares.append(square)
        w.append((square - sum(map(mul, w[2:], w[:1:-1]))) / 2)
    shape = w[1:]
    g = [1.0]
    for place in range(1, terms):
        g.append(-sum(map(mul, shape[1 : place + 1], g[::-1])))
    even, odd, power = sqrt(pi / 2) * exp(r * r / 2) * erfc(-r / sqrt(2)), -1.0, 1.0
    total = even
    for place in range(1, terms):
        # The integrals of u^k: -r^(k-1) + (k - 1) times the one before the last.
        total += g[place] * odd
        power *= r
        even, odd = odd, -power + place * even
    return total / root
