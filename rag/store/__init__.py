"""The relational record: tables (one file per noun), repositories and sessions."""
