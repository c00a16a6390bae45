"""Data in groups: counts, test answers, regressions that differ by group."""

import math

from .source import Source, dot, logistic, rounded


def simulated_counts():
    """Counts in sixteen groups of very different sizes, with two predictors."""
    source = Source(102)
    alpha, beta, tau = 0.8, [0.4, -0.3], 0.5
    rows, groups, counts = [], [], []
    group_sizes = [1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 14, 18, 25, 40]
    for group, size in enumerate(group_sizes, start=1):
        effect = tau * source.normal()
        for _ in range(size):
            row = [round(source.normal(), 3), source.bernoulli(0.5)]
            rows.append(row)
            groups.append(group)
            counts.append(source.poisson(math.exp(alpha + effect + dot(row, beta))))
    return {
        "N": len(rows),
        "K": len(beta),
        "J": len(group_sizes),
        "X": rows,
        "group": groups,
        "y": counts,
    }


def simulated_answers():
    """Right and wrong answers of 650 persons to 24 questions."""
    source = Source(107)
    abilities = source.normals(650)
    answers = []
    for _ in range(24):
        discrimination, difficulty = math.exp(0.4 * source.normal()), -0.3 + 1.1 * source.normal()
        answers.append([source.bernoulli(logistic(discrimination * (a - difficulty))) for a in abilities])
    return {"I": len(answers), "J": len(abilities), "y": answers}


def simulated_groups():
    """Regressions in 200 groups of two to fourteen rows; intercepts and slopes vary and are correlated."""
    source = Source(108)
    beta, sigma = [1, 0.5, -0.4, 0.2], 0.8
    # Intercepts go with the first slopes, against the second ones; the last slopes vary little.
    factor = [[0.8, 0, 0, 0], [0.3, 0.4, 0, 0], [-0.25, 0.1, 0.4, 0], [0, 0, 0.05, 0.1]]
    rows, groups, responses = [], [], []
    for group in range(1, 201):
        effects = source.normals(4)
        coefficients = [b + dot(row, effects) for b, row in zip(beta, factor)]
        for _ in range(2 + math.floor(13 * source.uniform())):
            row = rounded(source.normals(3))
            rows.append(row)
            groups.append(group)
            responses.append(round(dot([1, *row], coefficients) + sigma * source.normal(), 3))
    return {"N": len(rows), "K": 3, "J": 200, "X": rows, "group": groups, "y": responses}
