"""The command `seogo`."""
