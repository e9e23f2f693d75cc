"""What a call carries through the story, and who does the steps that `pipeline.py` names."""
