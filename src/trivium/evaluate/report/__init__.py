"""How a run is shown: a table on the terminal, one HTML file that opens offline, and plots."""
