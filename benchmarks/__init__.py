"""What is measured, against whom, with the command that does it: `python -m benchmarks [name …]`."""
