"""Instant models, as an independent client of BridgeStan's C interface sees them: the PyPI package bridgestan loads the
library of stanli, which takes a program's middle representation as one more member of the data."""

import ctypes
import functools
import json
import pathlib
import subprocess

import bridgestan
import numpy as np
import pytest

from bridge import DATA, FIXTURE, REPOSITORY, points, stanmatch
from model_checks import (
    central_differences,
    check_threads_get_the_values_of_one_thread,
    check_unconstrain_inverts_constrain,
)

# Instant models have no tuples and no complex numbers.
PROGRAMS = [program for program in DATA if program != "containers"]


@functools.cache
def library():
    """The path of the library, and the library for the functions that are not BridgeStan's."""
    listed = subprocess.run([stanmatch(), "toolchain", "list", "--json"], check=True, stdout=subprocess.PIPE).stdout
    (stanli,) = [it for it in json.loads(listed)["toolchains"] if it["source"] == "stanli"]
    (path,) = pathlib.Path(stanli["folder"], "_bin").glob("libstanli.*")
    functions = ctypes.CDLL(str(path))
    functions.stanli_build_id.restype = ctypes.c_char_p
    functions.stanli_stan_to_mir_with_opts.restype = ctypes.c_void_p
    functions.stanli_string_free.argtypes = [ctypes.c_void_p]
    return path, functions


def load(program):
    """The instant model of a program of tests/bridge with the data of the fixture."""
    path, functions = library()
    source = (REPOSITORY / "tests" / "bridge" / f"{program}.stan").read_bytes()
    message = ctypes.create_string_buffer(8192)
    size = ctypes.c_size_t(len(message))
    text = functions.stanli_stan_to_mir_with_opts(source, None, ctypes.c_size_t(0), 0, message, size)
    assert text, message.value.decode()
    mir = ctypes.cast(text, ctypes.c_char_p).value.decode()
    functions.stanli_string_free(text)
    manifest = {"build_id": functions.stanli_build_id().decode(), "mir": mir, "name": f"{program}_model"}
    return bridgestan.StanModel(path, json.dumps(DATA[program] | {"__stanli": manifest}), warn=False)


@pytest.fixture(scope="module", params=PROGRAMS)
def case(request):
    (kept,) = [kept for kept in json.loads(FIXTURE.read_text()) if kept["program"] == request.param]
    return load(request.param), kept


def test_names_and_values_are_those_of_the_compiled_model(case):
    model, kept = case
    assert model.name() == f"{kept['program']}_model"
    assert model.param_names(include_tp=True, include_gq=True) == kept["names"]
    assert model.param_unc_names() == kept["unconstrained_names"]
    assert model.param_num() == kept["num"]
    constant = None
    for expected in kept["evaluations"]:
        if not (expected["propto"] and expected["jacobian"]):
            continue
        theta = np.array(expected["theta_unc"])
        value, gradient = model.log_density_gradient(theta)
        # Densities agree up to one constant for all points.
        constant = value - expected["log_density"] if constant is None else constant
        assert value == model.log_density(theta) == pytest.approx(expected["log_density"] + constant, rel=1e-9)
        np.testing.assert_allclose(gradient, expected["gradient"], rtol=1e-9, atol=1e-9)
        constrained = model.param_constrain(theta, include_tp=True)
        np.testing.assert_allclose(constrained, expected["constrained"], rtol=1e-9, atol=1e-9)


def test_gradients_are_those_of_the_density(case):
    model, kept = case
    for theta in points(model.param_unc_num()) if kept["program"] != "empty" else []:
        differences = central_differences(model.log_density, theta)
        np.testing.assert_allclose(model.log_density_gradient(theta)[1], differences, rtol=1e-6, atol=1e-6)


def test_unconstrain_inverts_constrain(case):
    model, _ = case
    check_unconstrain_inverts_constrain(model)


def test_threads_get_the_values_of_one_thread(case):
    model, _ = case
    check_threads_get_the_values_of_one_thread(model)
