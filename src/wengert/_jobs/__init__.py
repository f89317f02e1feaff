"""The jobs of the command line in steps: from a table to a trained model, its scores and its pictures."""
