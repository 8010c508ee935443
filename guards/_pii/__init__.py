"""The engine of `mask`: finding personal data, and putting placeholders in and out."""
