"""Pure rules of the chart: what it holds, what it flags, and how it becomes a signed decision."""
