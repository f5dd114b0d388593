"""All training commands as one application."""

import typer

from serin_training.commands import backtest, data, drift, evaluate, retrain, runs, train

app = typer.Typer()
for part in (train, backtest, evaluate, drift, retrain, runs, data):
    app.add_typer(part.app)
