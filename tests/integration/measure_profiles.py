#!/usr/bin/python3
"""CTest's fixture integration_profiles: measures both models, alone, so that no story has to."""

import sys

from nodes import EDDY, RESNET, SSDLITE, run

for model in (SSDLITE, RESNET):
    measured = run(EDDY, "model", "inspect", model, "--profile", "--json")
    if measured.returncode != 0:
        sys.exit(measured.stderr)
