"""The texts, by language: `<lang>/<domain>.json` or `<lang>/<domain>/*.json`."""
