"""What `eddy lab run --json` would print, made up: every figure follows from what the caller says."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = ROOT / "configs" / "experiments"
sys.path.insert(0, str(ROOT / "bench" / "figures"))


def told(experiment, policy, compute="replayed", per_s=50.0, fraction=0.97, makespan_s=None, over_simulated=1.0,
         devices=2, **others):
    return {
        "experiment": experiment, "policy": policy, "compute": compute, "isolation": "namespaces",
        "quota_factor": 0.5 if compute == "real" else None, "delay_applied": False, "started_unix_s": 1.8e9,
        "machine": "two cores", "links": "ring", "throughput_per_s": per_s, "bound_per_s": per_s / fraction,
        "fraction_of_bound": fraction, "makespan_s": makespan_s, "makespan_bound_s": 30.0 if makespan_s else None,
        "sources": [{"name": "small", "captured": 100, "failed": 0}, {"name": "large", "captured": 300, "failed": 0}],
        "nodes": [{"name": f"w{i + 1}", "busy_fraction": 1 - i / 10} for i in range(devices)],
        "devices": [{"name": f"w{i + 1}", "asked_speed": 0.223, "measured_speed": 0.22 + i / 1000}
                    for i in range(devices)],
        "link_speeds": [{"from": "w1", "to": "w2", "asked_mbit_per_s": 100, "measured_mbit_per_s": 95.5}],
        "simulated": over_simulated and {"throughput_per_s": per_s / over_simulated, "fraction_of_bound": fraction,
                                         "makespan_s": makespan_s},
        "measured_over_simulated": over_simulated, "lost": 0, "duplicated": 0, **others,
    }
