"""autograd's functions, func and vmap, each the same call on both libraries."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import tinygrad6
from helpers import assert_same

CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def X(t, *s, seed=0, g=False):
    a = np.random.default_rng(seed).uniform(-1, 1, s)
    x = t.from_numpy(a.copy())
    return x.requires_grad_(g)


def F(t):
    return t.autograd.functional


@case
def jac1(t):
    return F(t).jacobian(lambda x: x.exp().sum(1), X(t, 2, 3))


@case
def jac2(t):
    return F(t).jacobian(lambda x, y: (x * y).sum(0), (X(t, 2, 3), X(t, 2, 3, seed=1)))


@case
def jac3(t):
    return F(t).jacobian(lambda x, y: (x.sum(), x * y), (X(t, 2), X(t, 2, seed=1)))


@case
def jac_vec(t):
    return F(t).jacobian(lambda x: x.exp(), X(t, 3), vectorize=True)


@case
def jac_fwd(t):
    return F(t).jacobian(lambda x: x.exp(), X(t, 3), vectorize=True, strategy="forward-mode")


@case
def jac_fwd_novec(t):
    return F(t).jacobian(lambda x: x.exp(), X(t, 3), strategy="forward-mode")


@case
def jac_fwd_cg(t):
    return F(t).jacobian(
        lambda x: x.exp(), X(t, 3), vectorize=True, create_graph=True, strategy="forward-mode"
    )


@case
def jac_bad(t):
    return F(t).jacobian(lambda x: x.exp(), X(t, 3), strategy="sideways")


@case
def jac_cg(t):
    x = X(t, 3, g=True)
    j = F(t).jacobian(lambda x: x**3, x, create_graph=True)
    j.sum().backward()
    return j.detach(), x.grad


@case
def jac_indep(t):
    return F(t).jacobian(lambda x, y: x * 2, (X(t, 2), X(t, 2, seed=1)))


@case
def jac_indep_strict(t):
    return F(t).jacobian(lambda x, y: x * 2, (X(t, 2), X(t, 2, seed=1)), strict=True)


@case
def jac_const(t):
    return F(t).jacobian(lambda x: t.ones(2), X(t, 2))


@case
def jac_const_strict(t):
    return F(t).jacobian(lambda x: t.ones(2), X(t, 2), strict=True)


@case
def jac_strict_vec(t):
    return F(t).jacobian(lambda x: x * 2, X(t, 2), strict=True, vectorize=True)


@case
def jac_nontensor(t):
    return F(t).jacobian(lambda x: 3, X(t, 2))


@case
def jac_nontensor_in(t):
    return F(t).jacobian(lambda x: x, 3.0)


@case
def jac_0d(t):
    return F(t).jacobian(lambda x: x * x, X(t))


@case
def jac_strict_cg(t):
    return F(t).jacobian(lambda x: x * 2, X(t, 2, g=True), strict=True, create_graph=True)


@case
def hess1(t):
    return F(t).hessian(lambda x: (x**3).sum(), X(t, 2, 2))


@case
def hess2(t):
    return F(t).hessian(lambda x, y: (x**2 * y).sum(), (X(t, 2), X(t, 2, seed=1)))


@case
def hess_lin(t):
    return F(t).hessian(lambda x: x.sum(), X(t, 2))


@case
def hess_lin_strict(t):
    return F(t).hessian(lambda x: x.sum(), X(t, 2), strict=True)


@case
def hess_nonscalar(t):
    return F(t).hessian(lambda x: x * x, X(t, 2))


@case
def hess_1elem(t):
    return F(t).hessian(lambda x: (x * x).sum().reshape(1), X(t, 2))


@case
def hess_tuple(t):
    return F(t).hessian(lambda x: (x.sum(), x.sum()), X(t, 2))


@case
def hess_bad(t):
    return F(t).hessian(lambda x: x.sum(), X(t, 2), outer_jacobian_strategy="x")


@case
def hess_fwd2(t):
    return F(t).hessian(lambda x: (x**3).sum(), X(t, 2), outer_jacobian_strategy="forward-mode")


@case
def vjp1(t):
    return F(t).vjp(lambda x: x.exp().sum(1), X(t, 2, 3), X(t, 2, seed=4))


@case
def vjp_scalar(t):
    return F(t).vjp(lambda x: x.exp().sum(), X(t, 2, 3))


@case
def vjp_missing(t):
    return F(t).vjp(lambda x: x.exp(), X(t, 2, 3))


@case
def vjp_wrong(t):
    return F(t).vjp(lambda x: x.exp(), X(t, 2, 3), X(t, 2))


@case
def vjp_wronglen(t):
    return F(t).vjp(lambda x: x.exp(), X(t, 2, 3), (X(t, 2, 3), X(t, 2, 3)))


@case
def vjp_multi(t):
    return F(t).vjp(
        lambda x, y: (x * y, x + y), (X(t, 2), X(t, 2, seed=1)), (X(t, 2, seed=4), X(t, 2, seed=5))
    )


@case
def vjp_const(t):
    return F(t).vjp(lambda x: t.ones(2, dtype=t.float64), X(t, 2), X(t, 2))


@case
def vjp_const_strict(t):
    return F(t).vjp(lambda x: t.ones(2, dtype=t.float64), X(t, 2), X(t, 2), strict=True)


@case
def vjp_cg(t):
    x = X(t, 3, g=True)
    o, v = F(t).vjp(lambda x: x**3, x, X(t, 3, seed=2), create_graph=True)
    v.sum().backward()
    return v.detach(), x.grad


@case
def vjp_nocg_flag(t):
    x = X(t, 3, g=True)
    return F(t).vjp(lambda x: x**3, x, X(t, 3, seed=2))


@case
def jvp1(t):
    return F(t).jvp(lambda x: x.exp().sum(1), X(t, 2, 3), X(t, 2, 3, seed=4))


@case
def jvp_multi(t):
    return F(t).jvp(
        lambda x, y: (x * y, x + y), (X(t, 2), X(t, 2, seed=1)), (X(t, 2, seed=4), X(t, 2, seed=5))
    )


@case
def jvp_lin(t):
    return F(t).jvp(lambda x: x * 2, X(t, 2), X(t, 2, seed=1))


@case
def jvp_lin_strict(t):
    return F(t).jvp(lambda x: x * 2, X(t, 2), X(t, 2, seed=1), strict=True)


@case
def jvp_missing(t):
    return F(t).jvp(lambda x: x * 2, X(t, 2))


@case
def jvp_one(t):
    return F(t).jvp(lambda x: x * x, X(t, 1))


@case
def jvp_const(t):
    return F(t).jvp(lambda x: t.ones(2, dtype=t.float64), X(t, 2), X(t, 2))


@case
def jvp_cg(t):
    x = X(t, 3, g=True)
    o, v = F(t).jvp(lambda x: x**3, x, X(t, 3, seed=2), create_graph=True)
    v.sum().backward()
    return v.detach(), x.grad


@case
def hvp1(t):
    return F(t).hvp(lambda x: (x**3).sum(), X(t, 2, 2), X(t, 2, 2, seed=1))


@case
def hvp2(t):
    return F(t).hvp(
        lambda x, y: (x**2 * y).sum(), (X(t, 2), X(t, 2, seed=1)), (X(t, 2, seed=2), X(t, 2, seed=3))
    )


@case
def hvp_lin(t):
    return F(t).hvp(lambda x: x.sum(), X(t, 2), X(t, 2))


@case
def hvp_lin_strict(t):
    return F(t).hvp(lambda x: x.sum(), X(t, 2), X(t, 2), strict=True)


@case
def vhp1(t):
    return F(t).vhp(lambda x: (x**3).sum(), X(t, 2, 2), X(t, 2, 2, seed=1))


@case
def vhp_missing(t):
    return F(t).vhp(lambda x: (x**3).sum(), X(t, 2, 2))


@case
def vhp_nonscalar(t):
    return F(t).vhp(lambda x: x**3, X(t, 2, 2), X(t, 2, 2))


@case
def vhp_cg(t):
    x = X(t, 3, g=True)
    o, v = F(t).vhp(lambda x: (x**4).sum(), x, X(t, 3, seed=2), create_graph=True)
    v.sum().backward()
    return v.detach(), x.grad


def f(t):
    return t.func


@case
def fgrad(t):
    return f(t).grad(lambda x: (x**3).sum())(X(t, 3))


@case
def fgrad2(t):
    return f(t).grad(lambda x: f(t).grad(lambda y: (y**3).sum())(x).sum())(X(t, 3))


@case
def fgrad_argnums(t):
    return f(t).grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(X(t, 3), X(t, 3, seed=1))


@case
def fgrad_argneg(t):
    return f(t).grad(lambda x, y: (x * y).sum(), argnums=-1)(X(t, 3), X(t, 3, seed=1))


@case
def fgrad_argbad(t):
    return f(t).grad(lambda x, y: (x * y).sum(), argnums=3)(X(t, 3), X(t, 3, seed=1))


@case
def fgrad_aux(t):
    return f(t).grad(lambda x: ((x * x).sum(), x * 2), has_aux=True)(X(t, 3))


@case
def fgv_aux(t):
    return f(t).grad_and_value(lambda x: ((x * x).sum(), x * 2), has_aux=True)(X(t, 3))


@case
def fgrad_nonscalar(t):
    return f(t).grad(lambda x: x * x)(X(t, 3))


@case
def fgrad_one(t):
    return f(t).grad(lambda x: x * x)(X(t, 1))


@case
def fgrad_dict(t):
    return f(t).grad(lambda d: (d["a"] * d["b"]).sum())({"a": X(t, 2), "b": X(t, 2, seed=1)})


@case
def fgrad_capture(t):
    w = X(t, 3, seed=2, g=True)
    g = f(t).grad(lambda x: (x * x * w).sum())(X(t, 3))
    return g


@case
def fgrad_nonfloat(t):
    return f(t).grad(lambda x: x.sum())(t.tensor([1, 2]))


@case
def fvjp(t):
    o, fn = f(t).vjp(lambda x: x.exp(), X(t, 3))
    return o, fn(X(t, 3, seed=1))


@case
def fvjp2(t):
    o, fn = f(t).vjp(lambda x, y: (x * y, x + y), X(t, 3), X(t, 3, seed=1))
    return o, fn((X(t, 3, seed=1), X(t, 3, seed=2)))


@case
def fvjp_aux(t):
    o, fn, aux = f(t).vjp(lambda x: (x.exp(), x * 2), X(t, 3), has_aux=True)
    return o, fn(X(t, 3, seed=1)), aux


@case
def fvjp_dict(t):
    o, fn = f(t).vjp(lambda d: {"o": d["a"] * 2}, {"a": X(t, 3)})
    return o, fn({"o": X(t, 3, seed=1)})


@case
def fjvp(t):
    return f(t).jvp(lambda x: x.exp(), (X(t, 3),), (X(t, 3, seed=1),))


@case
def fjvp2(t):
    return f(t).jvp(lambda x, y: x * y, (X(t, 3), X(t, 3, seed=2)), (X(t, 3, seed=1), X(t, 3, seed=3)))


@case
def fjvp_aux(t):
    return f(t).jvp(lambda x: (x.exp(), x * 2), (X(t, 3),), (X(t, 3, seed=1),), has_aux=True)


@case
def fjvp_bad(t):
    return f(t).jvp(lambda x: x.exp(), X(t, 3), X(t, 3, seed=1))


@case
def fjacrev(t):
    return f(t).jacrev(lambda x: x.exp().sum(1))(X(t, 2, 3))


@case
def fjacrev_arg(t):
    return f(t).jacrev(lambda x, y: x * y, argnums=(0, 1))(X(t, 3), X(t, 3, seed=1))


@case
def fjacrev_aux(t):
    return f(t).jacrev(lambda x: (x * x, x), has_aux=True)(X(t, 3))


@case
def fjacrev_tuple(t):
    return f(t).jacrev(lambda x: (x * x, x.sum()))(X(t, 3))


@case
def fjacrev_dict(t):
    return f(t).jacrev(lambda d: d["a"] * 2)({"a": X(t, 3)})


@case
def fjacfwd(t):
    return f(t).jacfwd(lambda x: x.exp().sum(1))(X(t, 2, 3))


@case
def fjacfwd_aux(t):
    return f(t).jacfwd(lambda x: (x * x, x), has_aux=True)(X(t, 3))


@case
def fhess(t):
    return f(t).hessian(lambda x: (x**3).sum())(X(t, 3))


@case
def fhess_arg(t):
    return f(t).hessian(lambda x, y: (x * x * y).sum(), argnums=(0, 1))(X(t, 2), X(t, 2, seed=1))


@case
def fjacjac(t):
    return f(t).jacrev(f(t).jacrev(lambda x: x**3))(X(t, 2))


@case
def flin(t):
    o, fn = f(t).linearize(lambda x: x.sin(), X(t, 3))
    return o, fn(X(t, 3, seed=1))


def V(t):
    return t.vmap


@case
def vm1(t):
    return V(t)(lambda x: x.sum())(X(t, 4, 3))


@case
def vm2(t):
    return V(t)(lambda x, y: x @ y)(X(t, 4, 3, 2), X(t, 4, 2))


@case
def vm_none(t):
    return V(t)(lambda x, y: x * y, in_dims=(0, None))(X(t, 4, 3), X(t, 3))


@case
def vm_in1(t):
    return V(t)(lambda x: x * 2, in_dims=1)(X(t, 4, 3))


@case
def vm_out1(t):
    return V(t)(lambda x: x * 2, out_dims=1)(X(t, 4, 3))


@case
def vm_tuple(t):
    return V(t)(lambda x: (x * 2, x.sum()))(X(t, 4, 3))


@case
def vm_outs(t):
    return V(t)(lambda x: (x * 2, x.sum()), out_dims=(1, 0))(X(t, 4, 3))


@case
def vm_nested(t):
    return V(t)(V(t)(lambda x: x.sum()))(X(t, 4, 3, 2))


@case
def vm_dict(t):
    return V(t)(lambda d: d["a"] + 1)({"a": X(t, 3, 2)})


@case
def vm_bad(t):
    return V(t)(lambda x, y: x * y)(X(t, 4, 3), X(t, 5, 3))


@case
def vm_noten(t):
    return V(t)(lambda x: x, in_dims=None)(X(t, 3))


@case
def vm_0d(t):
    return V(t)(lambda x: x)(X(t))


@case
def vm_grad(t):
    return V(t)(f(t).grad(lambda x: (x**3).sum()))(X(t, 4, 3))


@case
def vm_chunk(t):
    return V(t)(lambda x: x.sum(), chunk_size=2)(X(t, 5, 3))


@case
def vm_backward(t):
    x = X(t, 4, 3, g=True)
    V(t)(lambda x: x.exp().sum())(x).sum().backward()
    return x.grad


@case
def vm_kw(t):
    return V(t)(lambda x, k=1.0: x * k)(X(t, 4, 3), k=X(t, 4))


@case
def vm_const(t):
    return V(t)(lambda x: t.ones(2))(X(t, 4, 3))


@case
def vm_per_sample(t):
    m = t.nn.Linear(3, 1).double()
    with t.no_grad():
        for p in m.parameters():
            p.copy_(t.arange(p.numel(), dtype=t.float64).reshape(p.shape) * 0.1)
    params = {k: v.detach() for k, v in m.named_parameters()}

    def loss(params, x, y):
        return ((f(t).functional_call(m, params, (x.unsqueeze(0),)) - y) ** 2).sum()

    return V(t)(f(t).grad(loss), in_dims=(None, 0, 0))(params, X(t, 5, 3), X(t, 5, seed=3))


@case
def stackstate(t):
    ms = [t.nn.Linear(2, 2).double() for _ in range(3)]
    with t.no_grad():
        for i, m in enumerate(ms):
            for p in m.parameters():
                p.copy_(t.arange(p.numel(), dtype=t.float64).reshape(p.shape) * 0.1 * (i + 1))
    p, b = f(t).stack_module_state(ms)
    return V(t)(lambda p, b, x: f(t).functional_call(ms[0], (p, b), (x,)), in_dims=(0, 0, None))(
        p, b, X(t, 4, 2)
    ), {k: v for k, v in p.items()}


@case
def batched(t):
    x = X(t, 3, g=True)
    y = x * x
    return t.autograd.grad(y, x, t.eye(3, dtype=t.float64), is_grads_batched=True)


@case
def batched_unused(t):
    x = X(t, 3, g=True)
    z = X(t, 2, g=True)
    y = x * x
    return t.autograd.grad(y, [x, z], t.eye(3, dtype=t.float64), is_grads_batched=True, allow_unused=True)


@case
def grad_dict(t):
    x = X(t, 3, g=True)
    return t.autograd.grad((x * x).sum(), {"a": x})


@case
def grad_edge(t):
    x = X(t, 3, g=True)
    y = x * x
    e = t.autograd.graph.get_gradient_edge(y)
    return t.autograd.grad(e, x, t.ones(3, dtype=t.float64))


@case
def grad_edge_in(t):
    x = X(t, 3, g=True)
    y = x * x
    e = t.autograd.graph.get_gradient_edge(y)
    return t.autograd.grad((y * 2).sum(), e)


@case
def grad_empty(t):
    x = X(t, 3, g=True)
    return t.autograd.grad((x * x).sum(), [])


@case
def grad_tuple_shape(t):
    x = X(t, 3, g=True)
    return t.autograd.grad((x * x), x, t.ones(2, dtype=t.float64))


@case
def grad_nonscalar(t):
    x = X(t, 3, g=True)
    return t.autograd.grad((x * x), x)


@case
def bw_inputs_empty(t):
    x = X(t, 3, g=True)
    return (x * x).sum().backward(inputs=[])


@case
def bw_len(t):
    x = X(t, 3, g=True)
    return t.autograd.backward([x.sum(), x.sum()], [t.ones((), dtype=t.float64)])


@case
def bw_gradvars(t):
    x = X(t, 3, g=True)
    t.autograd.backward([x * 2], grad_variables=[t.ones(3, dtype=t.float64)])
    return x.grad


@case
def bw_float(t):
    x = X(t, 3, g=True)
    t.autograd.backward([(x * 2).sum()], [2.0])
    return x.grad


@case
def bw_dtype(t):
    x = X(t, 3, g=True)
    (x * 2).backward(t.ones(3))
    return x.grad


@case
def bw_intgrad(t):
    x = X(t, 3, g=True)
    (x * 2).backward(t.ones(3, dtype=t.int64))
    return x.grad


@pytest.mark.parametrize("name", CASES)
def test_the_same_call(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs = CASES[name](torch)
        except Exception as e:
            kind = next(k for k in type(e).__mro__ if k.__module__ == "builtins")
            with pytest.raises(kind):
                CASES[name](tinygrad6)
        else:
            assert_same(CASES[name](tinygrad6), theirs)


def test_gradgradcheck_draws_what_pytorch_draws():
    """So that a script that checks its function first trains with the same numbers afterwards."""

    def after(lib):
        lib.manual_seed(3)
        x = lib.ones(4, 3, dtype=lib.float64, requires_grad=True)
        lib.autograd.gradcheck(lib.sin, x)
        lib.autograd.gradgradcheck(lib.sin, x, gen_non_contig_grad_outputs=True)
        return lib.rand(3).tolist()

    assert after(tinygrad6) == after(torch)
