"""Writes the simulated data sets of the embedded database.

    python3 scripts/simulate_data.py posteriordb/data/data            all that are embedded
    python3 scripts/simulate_data.py DIRECTORY simulated_events_fine  those that are named

Each data set has its own seed, so that changing one leaves the others as they are.
Only Python's standard library is used: its uniform generator gives the same numbers in every version.
"""

import json
import sys
from pathlib import Path

from simulation import hierarchies, modes, processes, regressions, series

EMBEDDED = [
    hierarchies.simulated_answers,
    hierarchies.simulated_counts,
    hierarchies.simulated_groups,
    modes.simulated_arrivals,
    modes.simulated_clusters,
    modes.simulated_halves,
    modes.simulated_states,
    modes.simulated_tests,
    modes.simulated_thirds,
    processes.simulated_concentrations,
    processes.simulated_curve,
    processes.simulated_events,
    processes.simulated_populations,
    regressions.simulated_binary,
    regressions.simulated_correlated,
    regressions.simulated_overdispersed,
    regressions.simulated_sparse,
    regressions.simulated_surface,
    regressions.simulated_survival,
    regressions.simulated_trend,
    regressions.waveform,
    series.simulated_arma,
    series.simulated_autoregression,
    series.simulated_levels,
    series.simulated_mixture,
    series.simulated_returns,
    series.simulated_series,
    series.simulated_switches,
    series.simulated_volatility,
]
DATA_SETS = {data_set.__name__: data_set for data_set in [*EMBEDDED, processes.simulated_events_fine]}


def main():
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(DATA_SETS):
        sys.exit(f"{__doc__}\nThe data sets: {', '.join(DATA_SETS)}")
    directory, *names = sys.argv[1:]
    for name in names or [data_set.__name__ for data_set in EMBEDDED]:
        text = json.dumps(DATA_SETS[name](), separators=(",", ":"))
        (Path(directory) / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
