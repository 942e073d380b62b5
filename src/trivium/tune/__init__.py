"""Tune a model: every method on one loop. Needs the extra `tune`; nothing here loads torch until it is used."""

import logging
import os

# Threads that wait for the others must sleep: spinning ones take a shared machine's cores from those that compute,
# and training on two busy cores ran four times slower. It works only before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# It warns at import that an optional product for inference is not installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
