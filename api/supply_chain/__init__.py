"""What the installation is made of: locked by hash, listed for audits, and held against advisories without a network."""
