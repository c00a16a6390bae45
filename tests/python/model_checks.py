"""What holds of every model that has BridgeStan's C interface, compiled or instant."""

import concurrent.futures

import numpy as np

from bridge import points


def central_differences(function, x, step=1e-5):
    """The Jacobian of a function, by central differences."""
    columns = []
    for i in range(x.size):
        shift = np.zeros(x.size)
        shift[i] = step
        columns.append((np.asarray(function(x + shift)) - np.asarray(function(x - shift))) / (2 * step))
    return np.array(columns).T


def check_unconstrain_inverts_constrain(model):
    """Constrained values come back from the unconstrained scale."""
    for theta in points(model.param_unc_num()):
        constrained = model.param_constrain(theta)
        again = model.param_constrain(model.param_unconstrain(constrained))
        np.testing.assert_allclose(again, constrained, rtol=1e-9, atol=1e-12)


def check_threads_get_the_values_of_one_thread(model):
    """Eight threads compute what one does, bit for bit."""
    rng = np.random.default_rng(1)
    thetas = list(rng.uniform(-1, 1, size=(200, model.param_unc_num())))

    def evaluate(theta):
        value, gradient = model.log_density_gradient(theta)
        return value, gradient.tobytes(), model.param_constrain(theta).tobytes()

    alone = list(map(evaluate, thetas))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(evaluate, thetas)) == alone
