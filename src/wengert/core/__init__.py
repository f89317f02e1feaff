"""What an evaluation trace is, how one is recorded, checked and run."""
