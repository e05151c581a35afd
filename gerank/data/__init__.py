"""Schema, exposure logs, requests, the simulator and converters of public data."""
