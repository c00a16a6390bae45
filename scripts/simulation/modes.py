"""Data whose posteriors have several modes."""

from .source import Source


def simulated_clusters():
    """Twelve values in two clusters far apart, six in each."""
    source = Source(131)
    centres = [-6, -6, -6, -6, -6, -6, 6, 6, 6, 6, 6, 6]
    return {"N": len(centres), "y": [round(centre + 0.2 * source.normal(), 2) for centre in centres]}


def normal_groups(seed, means, size):
    source = Source(seed)
    observed = [round(mean + 0.7 * source.normal(), 3) for mean in means for _ in range(size)]
    return {"K": len(means), "N": len(observed), "y": observed}


def simulated_halves():
    """Values of two normal distributions, thirty of each."""
    return normal_groups(132, [-1.5, 1.5], 30)


def simulated_thirds():
    """Values of three normal distributions, thirty of each."""
    return normal_groups(133, [-3, 0, 3], 30)


def simulated_arrivals():
    """Counts at two rates."""
    source = Source(134)
    counts = [source.poisson(2 if source.bernoulli(0.4) else 9) for _ in range(80)]
    return {"N": len(counts), "y": counts}


def simulated_states():
    """A series that switches between two levels."""
    source = Source(135)
    levels, leaving = [-1.5, 1.5], [0.1, 0.2]
    state, observed = 0, []
    for _ in range(100):
        observed.append(round(levels[state] + source.normal(), 3))
        if source.uniform() < leaving[state]:
            state = 1 - state
    return {"N": len(observed), "y": observed}


def simulated_tests():
    """Five tests of eighty persons that share one factor."""
    source = Source(136)
    loadings, scales = [0.9, 0.8, 0.7, -0.6, 0.5], [0.5, 0.6, 0.7, 0.8, 0.9]
    rows = []
    for _ in range(80):
        factor = source.normal()
        rows.append([round(load * factor + scale * source.normal(), 3) for load, scale in zip(loadings, scales)])
    return {"N": len(rows), "J": len(loadings), "y": rows}
