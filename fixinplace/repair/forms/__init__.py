"""One file per repair; found by scanning this folder."""
