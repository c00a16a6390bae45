"""The bridge, as an independent client of BridgeStan's C interface sees it: the PyPI package bridgestan."""

import concurrent.futures
import ctypes
import json
import math
import re
import subprocess

import numpy as np
import pytest
from scipy import stats

from bridge import DATA, FIXTURE, TERMS, case, direction, library, load, points
from model_checks import (
    central_differences,
    check_threads_get_the_values_of_one_thread,
    check_unconstrain_inverts_constrain,
)

PROGRAMS = list(DATA)
FITTED = [program for program in PROGRAMS if program != "empty"]


@pytest.fixture(scope="module", params=FITTED)
def model(request):
    return load(request.param)


def test_the_fixture_is_what_the_package_computes():
    cases = json.loads(FIXTURE.read_text())
    assert [kept["program"] for kept in cases] == PROGRAMS
    for kept in cases:
        fresh = case(kept["program"])
        for key in ("data", "names", "num", "unconstrained_names"):
            assert kept[key] == fresh[key]
        np.testing.assert_allclose(kept["hessian"], fresh["hessian"], rtol=1e-6, atol=1e-6)
        for old, new in zip(kept["evaluations"], fresh["evaluations"], strict=True):
            for key in ("log_density", "gradient", "constrained", "theta_unc"):
                np.testing.assert_allclose(old[key], new[key], rtol=1e-9, atol=1e-9, err_msg=key)
            key = "hessian_vector_product"
            np.testing.assert_allclose(old[key], new[key], rtol=1e-6, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_gradients_are_those_of_the_density(model, terms):
    for theta in points(model.param_unc_num()):
        value, gradient = model.log_density_gradient(theta, **terms)
        assert value == pytest.approx(model.log_density(theta, **terms), rel=1e-10)
        differences = central_differences(lambda x: model.log_density(x, **terms), theta)
        np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_hessians_are_derivatives_of_gradients(model, terms):
    dim = model.param_unc_num()
    theta, v = points(dim)[2], direction(dim)
    value, gradient, hessian = model.log_density_hessian(theta, **terms)
    differences = central_differences(lambda x: model.log_density_gradient(x, **terms)[1].copy(), theta)
    np.testing.assert_allclose(hessian, differences, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(hessian, hessian.T)
    expected = model.log_density_gradient(theta, **terms)
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])
    value, product = model.log_density_hessian_vector_product(theta, v, **terms)
    assert value == model.log_density(theta, **terms)
    np.testing.assert_allclose(product, hessian @ v, rtol=1e-5, atol=1e-5)


def test_the_hessian_times_zero_is_zero(model):
    zero = np.zeros(model.param_unc_num())
    np.testing.assert_array_equal(model.log_density_hessian_vector_product(zero + 0.1, zero)[1], zero)


def test_unconstrain_inverts_constrain(model):
    check_unconstrain_inverts_constrain(model)


def test_proportional_densities_differ_by_a_constant(model):
    def dropped(theta):
        return model.log_density(theta, propto=False) - model.log_density(theta, propto=True)

    first, *others = map(dropped, points(model.param_unc_num()))
    assert first != 0
    assert others == pytest.approx([first, first], rel=1e-7)


def test_threads_get_the_values_of_one_thread(model):
    check_threads_get_the_values_of_one_thread(model)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_the_normal_model_has_its_closed_form(terms):
    model, y = load("normal"), np.array(DATA["normal"]["y"])
    for theta in points(8):
        mu, log_sigma, a = theta[0], theta[1], theta[2:]
        sigma = math.exp(log_sigma)
        expected = (
            stats.norm.logpdf(mu, 1, 2)
            + stats.expon.logpdf(sigma)
            + stats.norm.logpdf(a).sum()
            + stats.norm.logpdf(y, mu, sigma).sum()
        )
        if terms["jacobian"]:
            expected += log_sigma
        if terms["propto"]:
            expected += (1 + a.size + y.size) * math.log(2 * math.pi) / 2 + math.log(2)
        assert model.log_density(theta, **terms) == pytest.approx(expected, rel=1e-12)


def test_matrices_are_in_column_major_order():
    model = load("normal")
    assert model.param_names() == ["mu", "sigma", "A.1.1", "A.2.1", "A.1.2", "A.2.2", "A.1.3", "A.2.3"]
    assert model.param_unc_names() == model.param_names()
    values = {"mu": 0, "sigma": 1, "A": [[11, 12, 13], [21, 22, 23]]}
    assert model.param_unconstrain_json(values).tolist() == [0, 0, 11, 21, 12, 22, 13, 23]


def test_outputs_are_parameters_then_transformed_then_generated():
    model = load("normal")
    names = model.param_names(include_tp=True, include_gq=True)
    assert names[8:] == [
        *["twice", "B.1.1", "B.2.1", "B.1.2", "B.2.2", "B.1.3", "B.2.3"],
        *["simulated", "counts.1", "counts.2", "kept_shift"],
    ]
    assert model.param_names(include_tp=True) == names[:15]
    assert model.param_names(include_gq=True) == names[:8] + names[15:]
    theta = points(8)[1]
    both = model.param_constrain(theta, include_tp=True, include_gq=True, rng=model.new_rng(3))
    assert both.size == model.param_num(include_tp=True, include_gq=True) == len(names)
    sigma = math.exp(theta[1])
    np.testing.assert_allclose(both[:2], [theta[0], sigma])
    np.testing.assert_allclose(both[8:15], [2 * theta[0], *(theta[2:] * sigma)])
    only_generated = model.param_constrain(theta, include_gq=True, rng=model.new_rng(3))
    np.testing.assert_array_equal(only_generated, np.delete(both, slice(8, 15)))


def test_generated_quantities_follow_the_generator():
    model, theta = load("normal"), points(8)[1]

    def draws(seed, size=2000):
        rng = model.new_rng(seed)
        return np.array([model.param_constrain(theta, include_gq=True, rng=rng)[8:11] for _ in range(size)])

    np.testing.assert_array_equal(draws(7, 20), draws(7, 20))
    assert not np.array_equal(draws(7, 20), draws(8, 20))
    simulated, *counts = draws(7).T
    assert stats.kstest(simulated, stats.norm(theta[0], math.exp(theta[1])).cdf).pvalue > 0.001
    for count, rate in zip(counts, (1, 5), strict=True):
        assert count.mean() == pytest.approx(rate, abs=5 * math.sqrt(rate / len(count)))


def test_transformed_data_follow_the_seed():
    def shift(seed):
        model = load("normal", seed=seed)
        return model.param_constrain(np.zeros(8), include_gq=True, rng=model.new_rng(1))[-1]

    assert shift(1) == shift(1) != shift(2)


def test_generated_quantities_need_a_generator():
    model = load("normal")
    error = ctypes.c_char_p()
    output = np.zeros(model.param_num(include_gq=True))
    assert model._param_constrain(model.model, False, True, np.zeros(8), output, None, ctypes.byref(error)) == -1
    assert b"random number generator" in error.value
    model._free_error(error)


def test_a_program_without_parameters_and_data():
    for data in ("", "{}"):
        model = load("empty", data)
        assert (model.name(), model.param_num(), model.param_unc_num()) == ("empty_model", 0, 0)
        nothing = np.zeros(0)
        assert model.log_density(nothing) == 0
        value, gradient, hessian = model.log_density_hessian(nothing)
        assert (value, gradient.shape, hessian.shape) == (0, (0,), (0, 0))
        assert model.param_initialize(model.new_rng(1)).shape == (0,)
        y, n = model.param_constrain(nothing, include_gq=True, rng=model.new_rng(1))
        assert math.isfinite(y) and n == int(n) >= 0


def by_name(model, theta):
    """A model's constrained parameters as arrays, by name."""
    values = {}
    for name, value in zip(model.param_names(), model.param_constrain(theta), strict=True):
        variable, *index = name.split(".")
        values.setdefault(variable, {})[tuple(int(i) - 1 for i in index)] = value
    arrays = {}
    for variable, entries in values.items():
        arrays[variable] = np.zeros(np.max(list(entries), axis=0) + 1 if () not in entries else ())
        for index, value in entries.items():
            arrays[variable][index] = value
    return arrays


@pytest.mark.parametrize("point", range(3))
def test_constrained_parameters_satisfy_their_constraints(point):
    model = load("constrained")
    p = by_name(model, points(model.param_unc_num())[point])
    assert p["below_low"] < p["between"] < p["low"] and p["low"] > 1
    assert (np.abs(p["boxed"]) < 1).all() and p["boxed"].shape == (2, 2)
    assert p["shares"].sum() == pytest.approx(1) and (p["shares"] > 0).all()
    assert (np.diff(p["rising"]) > 0).all()
    assert (np.diff(p["positive_rising"], prepend=0) > 0).all()
    assert np.linalg.norm(p["direction"]) == pytest.approx(1)
    for matrix in (p["R"], p["S"]):
        np.testing.assert_allclose(matrix, matrix.T)
        assert (np.linalg.eigvalsh(matrix) > 0).all()
    np.testing.assert_allclose(np.diag(p["R"]), 1)
    np.testing.assert_allclose(np.sum(p["L_R"] ** 2, axis=1), 1)
    for factor in (p["L_R"], p["L_S"], p["L_tall"]):
        np.testing.assert_array_equal(np.triu(factor, 1), 0)
        assert (np.diag(factor) > 0).all()
    assert p["L_tall"].shape == (4, 3)


def test_offset_and_multiplier_scale():
    model = load("constrained")
    theta = points(model.param_unc_num())[1]
    scaled = [model.param_unc_names().index(f"scaled.{i}") for i in (1, 2)]
    p = by_name(model, theta)
    np.testing.assert_allclose(p["scaled"], p["low"] + 2 * theta[scaled])


def free_coordinates(names):
    """The coordinates that determine the others: the last share, diagonals of ones and upper triangles follow."""
    kept = []
    for i, name in enumerate(names):
        variable, *index = name.split(".")
        row, column = (int(index[0]), int(index[1])) if len(index) == 2 else (0, 0)
        dependent = (
            (variable == "shares" and index == ["3"])
            or (variable in ("R", "L_R") and row <= column)
            or (variable in ("S", "L_S", "L_tall") and row < column)
            or variable == "direction"
        )
        if not dependent:
            kept.append(i)
    return kept


@pytest.mark.parametrize("point", [1, 2])
def test_the_jacobian_term_is_the_log_determinant_of_the_transform(point):
    model = load("constrained")
    theta = points(model.param_unc_num())[point]
    outputs = free_coordinates(model.param_names())
    inputs = [i for i, name in enumerate(model.param_unc_names()) if not name.startswith("direction")]
    jacobian = central_differences(model.param_constrain, theta)[np.ix_(outputs, inputs)]
    # A unit vector comes from normal variates, not from as many free coordinates: its term is their log density.
    variates = np.delete(theta, inputs)
    expected = np.linalg.slogdet(jacobian)[1] - variates @ variates / 2
    added = model.log_density(theta, jacobian=True) - model.log_density(theta, jacobian=False)
    assert added == pytest.approx(expected, rel=1e-6)


def test_json_and_arrays_name_the_same_point():
    model = load("constrained")
    theta = points(model.param_unc_num())[1]
    values = {variable: array.tolist() for variable, array in by_name(model, theta).items()}
    from_json = model.param_unconstrain_json(values)
    np.testing.assert_allclose(from_json, model.param_unconstrain(model.param_constrain(theta)), rtol=1e-12)
    np.testing.assert_array_equal(model.param_initialize(model.new_rng(1), values), from_json)


def test_tuples_and_complex_numbers():
    model = load("containers")
    assert model.param_names() == [
        *["z.real", "z.imag", "w.1.real", "w.1.imag", "w.2.real", "w.2.imag", "pair:1", "pair:2.1", "pair:2.2"],
        *["pairs.1:1", "pairs.1:2.1", "pairs.1:2.2", "pairs.2:1", "pairs.2:2.1", "pairs.2:2.2"],
    ]
    constrained = np.array([1, 2, 3, 4, 5, 6, 0.5, -1, -2, 7, 0.25, 0.75, 8, 0.5, 0.5])
    values = {
        "z": [1, 2],
        "w": [[3, 4], [5, 6]],
        "pair": {"1": 0.5, "2": [-1, -2]},
        "pairs": [{"1": 7, "2": [0.25, 0.75]}, {"1": 8, "2": [0.5, 0.5]}],
    }
    theta = model.param_unconstrain(constrained)
    np.testing.assert_allclose(model.param_constrain(theta), constrained, rtol=1e-12)
    np.testing.assert_allclose(model.param_unconstrain_json(values), theta, rtol=1e-12)
    squared = model.param_constrain(theta, include_gq=True, rng=model.new_rng(1))[15:17]
    np.testing.assert_allclose(squared, [-3, 4])


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"z": [1, 2]}, {"z.real": 1, "z.imag": 2}),
        ({"w": [[1, 2], [3, 4]]}, {"w.1.real": 1, "w.1.imag": 2, "w.2.real": 3, "w.2.imag": 4}),
        ({"pairs": [{"1": 7, "2": [0.25, 0.75]}, {"1": 8, "2": [0.5, 0.5]}]}, {"pairs.1:2.1": 0.25, "pairs.2:1": 8}),
    ],
)
def test_inits_keep_what_is_given_and_draw_the_rest(given, kept):
    model = load("containers")
    theta = model.param_initialize(model.new_rng(1), given, init_radius=1)
    values = dict(zip(model.param_names(), model.param_constrain(theta), strict=True))
    assert {name: values[name] for name in kept} == pytest.approx(kept)
    (variable,) = given
    drawn = np.array([x for name, x in zip(model.param_unc_names(), theta) if re.split("[.:]", name)[0] != variable])
    assert (np.abs(drawn) < 1).all() and np.unique(drawn).size == drawn.size > 5


def test_random_inits_are_uniform_and_follow_the_generator():
    model = load("normal")
    rng = model.new_rng(5)
    thetas = np.array([model.param_initialize(rng, init_radius=0.5) for _ in range(300)])
    assert stats.kstest(thetas.ravel(), stats.uniform(-0.5, 1).cdf).pvalue > 0.001
    np.testing.assert_array_equal(model.param_initialize(model.new_rng(5), init_radius=0.5), thetas[0])
    np.testing.assert_array_equal(model.param_initialize(rng, init_radius=0), np.zeros(8))


def test_inits_are_tried_again_where_the_program_rejects():
    model = load("prints")
    rng = model.new_rng(1)
    assert all(model.param_initialize(rng)[0] <= 0 for _ in range(20))
    with pytest.raises(RuntimeError, match="must not be positive"):
        model.param_initialize(rng, {"x": 1.0})


@pytest.mark.parametrize(
    "options, message",
    [({"max_tries": 0}, "max_tries"), ({"init_radius": -1.0}, "init_radius"), ({"init_radius": math.nan}, "init_radius")],
)
def test_impossible_init_options_are_named(options, message):
    model = load("normal")
    with pytest.raises(RuntimeError, match=message):
        model.param_initialize(model.new_rng(1), **options)


def test_rejections_are_messages_with_their_place(capfd):
    model = load("prints")
    for x, message in [(1.0, "x must not be positive; found x = 1"), (11.0, "x is out of hand")]:
        theta = np.array([x])
        for call in (model.log_density, model.log_density_gradient, model.log_density_hessian):
            with pytest.raises(RuntimeError, match=message) as error:
                call(theta)
            assert "prints.stan" in str(error.value) and "line" in str(error.value)
    with pytest.raises(RuntimeError, match="too small to generate"):
        model.param_constrain(np.array([-6.0]), include_gq=True, rng=model.new_rng(1))
    # The program recovers: nothing is left of the failures.
    assert model.log_density_gradient(np.array([-1.0]))[0] == pytest.approx(-0.5)


def test_prints_reach_the_callback_line_by_line(capsys):
    model = load("prints")
    model.log_density(np.array([-2.5]))
    assert capsys.readouterr().out == "x = -2.5\n"
    with pytest.raises(RuntimeError):
        model.log_density(np.array([2.5]))
    assert capsys.readouterr().out == "x = 2.5\n"
    model.param_constrain(np.array([-1.0]), include_gq=True, rng=model.new_rng(1))
    assert capsys.readouterr().out == "generating\n"


def test_prints_go_to_stdout_without_a_callback(capfd):
    model = load("prints")
    nothing = ctypes.cast(None, type(model._set_print_callback.argtypes[0](lambda s, n: None)))
    model._set_print_callback(nothing, None)
    model.log_density(np.array([-0.5]))
    assert capfd.readouterr().out == "x = -0.5\n"


def test_prints_of_threads_do_not_mix(capsys):
    model = load("prints")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: model.log_density(np.array([-float(i)])), range(1, 201)))
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines) == sorted(f"x = {-i}" for i in range(1, 201))


@pytest.mark.parametrize(
    "program, data, message",
    [
        ("normal", "", "variable does not exist.*variable name=N"),
        ("normal", {"N": 4}, "variable name=y"),
        ("normal", {"N": 3, "y": [1.0, 2.0]}, "variable name=y.*declared.*3.*found.*2"),
        ("normal", {"N": -1, "y": []}, "N.*greater than or equal to 0"),
        ("normal", '{"N": 1.5, "y": [1]}', "int variable contained non-int values.*variable name=N"),
        ("normal", '{"N": 1, "y": [1}', "JSON"),
        ("normal", "[" * 100_000, "nested"),
        ("constrained", {"K": 1}, "K.*greater than or equal to 2"),
    ],
)
def test_data_that_do_not_fit_are_named(program, data, message):
    with pytest.raises(RuntimeError, match="(?s)" + message):
        load(program, data)


def test_data_files(tmp_path):
    construct = load("normal")._construct

    def failure(path):
        error = ctypes.c_char_p()
        assert construct(str(path).encode(), 1, ctypes.byref(error)) is None
        return error.value.decode()

    missing, folder, good = tmp_path / "missing.json", tmp_path / "folder.json", tmp_path / "good.json"
    folder.mkdir()
    good.write_text(json.dumps(DATA["normal"]))
    assert str(missing) in failure(missing)
    assert str(folder) in failure(folder)
    assert construct(str(good).encode(), 1, None)


@pytest.mark.parametrize(
    "values, message",
    [
        ({"mu": 0, "sigma": 1}, "A"),
        ({"mu": 0, "sigma": -1, "A": [[1, 2, 3], [4, 5, 6]]}, "lower bound|must be greater|bounded"),
        ({"mu": 0, "sigma": 1, "A": [[1, 2], [3, 4]]}, "variable name=A"),
        ("{", "JSON"),
    ],
)
def test_parameter_values_that_do_not_fit_are_named(values, message):
    with pytest.raises(RuntimeError, match="(?s)" + message):
        load("normal").param_unconstrain_json(values)


def test_messages_may_be_declined():
    model = load("prints")
    assert model._log_density(model.model, True, True, np.array([1.0]), ctypes.c_double(), None) == -1


def test_the_solver_follows_the_closed_form():
    model = load("decay")
    t = np.array(DATA["decay"]["t"])
    for theta in points(2):
        rate, initial, *curve = model.param_constrain(theta, include_tp=True)
        np.testing.assert_allclose(curve, initial * np.exp(-rate * t), rtol=1e-8)


@pytest.mark.parametrize("terms", TERMS, ids=str)
def test_exact_hessians(terms):
    exact, differences = load("normal", ad_hessian=True), load("normal")
    assert "BRIDGESTAN_AD_HESSIAN=true" in exact.model_info()
    for theta in points(8):
        value, gradient, hessian = exact.log_density_hessian(theta, **terms)
        other = differences.log_density_hessian(theta, **terms)
        assert value == pytest.approx(other[0], rel=1e-12)
        np.testing.assert_allclose(gradient, other[1], rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(hessian, other[2], rtol=1e-6, atol=1e-6)

        y, mu, sigma = np.array(DATA["normal"]["y"]), theta[0], math.exp(theta[1])
        residuals = (y - mu) / sigma
        expected = -np.eye(8)
        expected[0, 0] = -1 / 4 - y.size / sigma**2
        expected[0, 1] = expected[1, 0] = -2 * residuals.sum() / sigma
        expected[1, 1] = -sigma - 2 * residuals @ residuals
        np.testing.assert_allclose(hessian, expected, rtol=1e-12, atol=1e-12)
        product = exact.log_density_hessian_vector_product(theta, direction(8), **terms)
        assert product[0] == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(product[1], expected @ direction(8), rtol=1e-12, atol=1e-12)


def test_hessians_that_stan_gets_wrong_are_refused():
    model = load("direction", ad_hessian=True)
    theta = np.array([0.2, -0.5, 1.0])
    assert math.isfinite(model.log_density_gradient(theta)[0])
    with pytest.raises(RuntimeError, match="without BRIDGESTAN_AD_HESSIAN"):
        model.log_density_hessian(theta)
    with pytest.raises(RuntimeError, match="without BRIDGESTAN_AD_HESSIAN"):
        model.log_density_hessian_vector_product(theta, direction(3))


def test_the_info_tells_versions_and_threading():
    info = load("normal").model_info()
    for part in ("STAN_THREADS=true", "Stan version: 2.", "stanc_version", "-O3"):
        assert part in info


def test_a_library_shows_the_interface_alone():
    symbols = subprocess.run(
        ["nm", "--dynamic", "--defined-only", "--format=posix", library("normal")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    names = {line.split()[0] for line in symbols.splitlines()}
    assert len(names) == 23 and all(name.startswith("bs_") for name in names)
