"""Whether anything grows that should not, over minutes or hours: `python -m benchmarks.soak --minutes 60`."""
