"""Simulators: pure, batched, deterministic models of hardware."""
