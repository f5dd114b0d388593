"""The format of a run: manifest, report, parity rows, encoder, features, calibration, keyword rules, signatures."""
