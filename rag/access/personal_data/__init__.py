"""Finding personal data and secrets in texts, and hiding them from who may not see them."""
