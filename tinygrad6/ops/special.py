"""Special functions on arrays that NumPy lacks.

erf in float64 follows the rational approximations of W. J. Cody (1969) in the form published with fdlibm's
s_erf.c (1993), good to 1 ulp. In float32 it is tanh(x p(x^2)) for a polynomial p of the smallest largest
relative error, found by linear programming: 3.2 ulp at most, 0.7 on average, and no quotient.
"""

from __future__ import annotations

import numpy as np

from tinygrad6.quiet import Quiet

_NEAR = (
    (
        1.28379167095512558561e-01,
        -3.25042107247001499370e-01,
        -2.84817495755985104766e-02,
        -5.77027029648944159157e-03,
        -2.37630166566501626084e-05,
    ),
    (
        1.0,
        3.97917223959155352819e-01,
        6.50222499887672944485e-02,
        5.08130628187576562776e-03,
        1.32494738004321644526e-04,
        -3.96022827877536812320e-06,
    ),
)  # erf(x) / x - 1 in x^2, |x| < 0.84375
_ONE = (
    (
        -2.36211856075265944077e-03,
        4.14856118683748331666e-01,
        -3.72207876035701323847e-01,
        3.18346619901161753674e-01,
        -1.10894694282396677476e-01,
        3.54783043256182359371e-02,
        -2.16637559486879084300e-03,
    ),
    (
        1.0,
        1.06420880400844228286e-01,
        5.40397917702171048937e-01,
        7.18286544141962662868e-02,
        1.26171219808761642112e-01,
        1.36370839120290507362e-02,
        1.19844998467991074170e-02,
    ),
)  # erf(x) - 0.845... in |x| - 1, |x| < 1.25
_MIDDLE = (
    (
        -9.86494403484714822705e-03,
        -6.93858572707181764372e-01,
        -1.05586262253232909814e01,
        -6.23753324503260060396e01,
        -1.62396669462573470355e02,
        -1.84605092906711035994e02,
        -8.12874355063065934246e01,
        -9.81432934416914548592e00,
    ),
    (
        1.0,
        1.96512716674392571292e01,
        1.37657754143519042600e02,
        4.34565877475229228821e02,
        6.45387271733267880336e02,
        4.29008140027567833386e02,
        1.08635005541779435134e02,
        6.57024977031928170135e00,
        -6.04244152148580987438e-02,
    ),
)  # log(x erfc(x)) + x^2 + 0.5625 in 1 / x^2, |x| < 1 / 0.35
_FAR = (
    (
        -9.86494292470009928597e-03,
        -7.99283237680523006574e-01,
        -1.77579549177547519889e01,
        -1.60636384855821916062e02,
        -6.37566443368389627722e02,
        -1.02509513161107724954e03,
        -4.83519191608651397019e02,
    ),
    (
        1.0,
        3.03380607434824582924e01,
        3.25792512996573918826e02,
        1.53672958608443695994e03,
        3.19985821950859553908e03,
        2.55305040643316442583e03,
        4.74528541206955367215e02,
        -2.24409524465858183362e01,
    ),
)  # the same beyond
_SINGLE = (
    1.1283792446560235,
    0.10276964345607041,
    -0.00019286974072978797,
    -0.0006188848509806584,
    8.72691846510537e-05,
    -5.6094604922973734e-06,
    1.3864131325229191e-07,
)  # atanh(erf(x)) / x in x^2 up to 4.3; from there on it grows, and its tanh is 1


def _horner(coefficients: tuple, z: np.ndarray) -> np.ndarray:
    kind = z.dtype.type
    out = z * kind(coefficients[-1])
    for c in coefficients[-2:0:-1]:
        out += kind(c)
        out *= z
    out += kind(coefficients[0])
    return out


def _ratio(pair: tuple, z: np.ndarray) -> np.ndarray:
    out = _horner(pair[0], z)
    out /= _horner(pair[1], z)
    return out


def erf(x: np.ndarray, factor: float = 1.0) -> np.ndarray:
    """2/sqrt(pi) times the integral of exp(-t^2) from 0 to factor x, elementwise, in x's float type."""
    x = np.asarray(x)
    if x.dtype == np.float16:
        return erf(x.astype(np.float32), factor).astype(np.float16)
    if x.dtype == np.float32:
        with Quiet():  # far out the polynomial is inf
            out = np.asarray(_horner(tuple(c * factor ** (2 * i + 1) for i, c in enumerate(_SINGLE)), x * x))
            out *= x
        return np.tanh(out, out=out)
    if factor != 1:
        x = x * factor
    size = np.abs(x)
    # 1 or -1 beyond 6, to the last bit; nan stays nan. Of 0-d arrays NumPy makes scalars.
    out = np.asarray(np.sign(x))
    near = size < 0.84375
    out[near] = x[near] + x[near] * _ratio(_NEAR, np.square(x[near]))
    one = (size >= 0.84375) & (size < 1.25)
    out[one] *= 8.45062911510467529297e-01 + _ratio(_ONE, size[one] - 1)
    for pair, low, high in ((_MIDDLE, 1.25, 1 / 0.35), (_FAR, 1 / 0.35, 6.0)):
        part = (size >= low) & (size < high)
        z = size[part]
        square = np.square(z)
        out[part] *= 1 - np.exp(_ratio(pair, 1 / square) - square - 0.5625) / z
    return out
