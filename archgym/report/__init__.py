"""Pictures and pages made from runs and studies."""
