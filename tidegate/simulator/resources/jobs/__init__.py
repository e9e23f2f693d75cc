"""Jobs: batches, fine-tuning, evals and their graders."""
