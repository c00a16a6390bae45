"""Data for regressions: linear, logistic, counts, survival, and a small neural network."""

import math

from .source import Source, dot, logistic, rounded


def simulated_binary():
    """Binary outcomes; neighbouring predictors are correlated at 0.7."""
    source = Source(101)
    alpha, beta = -0.5, [1.2, -0.8, 0.5, 0, 0, 0.9, -0.4]
    rows, outcomes = [], []
    for _ in range(200):
        row = [source.normal()]
        while len(row) < len(beta):
            row.append(0.7 * row[-1] + math.sqrt(1 - 0.7**2) * source.normal())
        row = rounded(row)
        rows.append(row)
        outcomes.append(source.bernoulli(logistic(alpha + dot(row, beta))))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": outcomes, "prior_scale": 2.5}


def simulated_trend():
    """A linear trend over years whose predictors are neither centred nor of one scale."""
    source = Source(103)
    alpha, beta, sigma = -150, [0.08, 0.0002, -0.05, 1.5], 2
    rows, responses = [], []
    for index in range(100):
        income = round(30000 * math.exp(0.4 * source.normal()))
        age = 20 + math.floor(50 * source.uniform())
        row = [1970 + index // 2, income, age, source.bernoulli(0.4)]
        rows.append(row)
        responses.append(round(alpha + dot(row, beta) + sigma * source.normal(), 2))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": responses}


def waveform():
    """The first of three classes of noisy waves against the others (Breiman, Friedman, Olshen and Stone, 1984)."""
    source = Source(105)
    waves = [[max(6 - abs(i - centre), 0) for i in range(1, 22)] for centre in (11, 15, 7)]
    rows, outcomes = [], []
    for _ in range(400):
        label = math.floor(3 * source.uniform())
        first, second = ((0, 1), (0, 2), (1, 2))[label]
        share = source.uniform()
        rows.append(
            [round(share * a + (1 - share) * b + source.normal(), 2) for a, b in zip(waves[first], waves[second])]
        )
        outcomes.append(int(label == 0))
    return {"N": len(rows), "K": 21, "X": rows, "y": outcomes, "prior_scale": 10}


def simulated_surface():
    """A smooth surface over eight inputs, two of which do not matter, with points to predict at."""
    source = Source(106)

    def surface(x):
        return math.sin(2 * x[0]) + x[1] * x[2] + 0.5 * x[3] ** 2 - x[4] + 0.5 * math.tanh(3 * x[5])

    def points(count):
        return [[round(2 * source.uniform() - 1, 3) for _ in range(8)] for _ in range(count)]

    rows, new_rows = points(200), points(100)
    noisy = [[round(surface(row) + 0.2 * source.normal(), 3) for row in part] for part in (rows, new_rows)]
    return {
        "N": len(rows),
        "P": 8,
        "H": 30,
        "X": rows,
        "y": noisy[0],
        "N_new": len(new_rows),
        "X_new": new_rows,
        "y_new": noisy[1],
    }


def simulated_overdispersed():
    """Counts whose variance is larger than a Poisson distribution's, with four predictors."""
    source = Source(111)
    alpha, beta, phi = 1.2, [0.5, -0.4, 0.3, 0], 2
    rows, counts = [], []
    for _ in range(250):
        row = rounded(source.normals(3)) + [source.bernoulli(0.3)]
        rows.append(row)
        counts.append(source.poisson(math.exp(alpha + dot(row, beta)) * source.gamma(phi) / phi))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": counts}


def simulated_survival():
    """Times to an event by a Weibull distribution, a third of them cut short by the end of the study."""
    source = Source(112)
    intercept, beta, shape = 1, [0.4, -0.5, 0.2], 1.4
    rows, times, seen = [], [], []
    for _ in range(150):
        row = rounded(source.normals(2)) + [source.bernoulli(0.5)]
        time = math.exp(intercept + dot(row, beta)) * source.exponential() ** (1 / shape)
        end = 1 + 5 * source.uniform()
        rows.append(row)
        times.append(round(min(time, end), 3))
        seen.append(int(time < end))
    return {"N": len(rows), "K": len(beta), "X": rows, "time": times, "seen": seen}


def simulated_sparse():
    """Responses to forty predictors, of which four matter."""
    source = Source(113)
    beta = [3, -2, 1.5, 0.5] + [0] * 36
    rows, responses = [], []
    for _ in range(100):
        row = rounded(source.normals(len(beta)), 2)
        rows.append(row)
        responses.append(round(0.5 + dot(row, beta) + 2 * source.normal(), 2))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": responses, "expected_nonzero": 4}


def simulated_correlated():
    """Responses to a hundred predictors that are correlated at 0.9 with their neighbours."""
    source = Source(114)
    beta = source.normals(100)
    rows, responses = [], []
    for _ in range(150):
        row = [source.normal()]
        while len(row) < len(beta):
            row.append(0.9 * row[-1] + math.sqrt(1 - 0.9**2) * source.normal())
        row = rounded(row, 2)
        rows.append(row)
        responses.append(round(dot(row, beta) + 2 * source.normal(), 2))
    return {"N": len(rows), "K": len(beta), "X": rows, "y": responses, "sigma": 2, "prior_scale": 1}
