"""The paper's tables and honest baselines: benchmarks, questions, answers, verdicts, figures, reports."""
