"""Measures the relay beside the simplest relay that anyone would write; run by hand, never a test with a clock."""
