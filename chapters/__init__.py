"""The textbook: one module per chapter. `python -m chapters` lists them."""
