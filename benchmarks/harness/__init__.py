"""What the benchmarks share: a stage with real parts, rounds taken in turn, figures, and the report."""

from benchmarks.harness.figures import Figure, compared, plain, quantile
from benchmarks.harness.rounds import in_turn
from benchmarks.harness.stage import Stage

__all__ = ["Figure", "Stage", "compared", "in_turn", "plain", "quantile"]
