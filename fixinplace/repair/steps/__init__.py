"""What the repairs with several meanings share: frames, data flow, optimizers, and statements that are moved."""
