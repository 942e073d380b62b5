"""The metrics, one small function each, with its formula and its paper. `docs/metrics.md` is their table."""
