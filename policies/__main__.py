"""`python -m policies` brings `policies/schema.json` up to date."""

from policies._schema import write

if __name__ == "__main__":
    print(write())
