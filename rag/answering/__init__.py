"""From passages to a cited answer, or a stated refusal."""
