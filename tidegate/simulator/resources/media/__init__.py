"""Images, speech, transcriptions and videos."""
