"""What an auditor asks for: which test shows which requirement, and the evidence in one file."""
