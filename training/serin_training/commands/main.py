"""All training commands as one application."""

import typer

from serin_training.commands import backtest, data, drift, evaluate, inspect, recalibrate, retrain, runs, train

app = typer.Typer()
for part in (train, backtest, evaluate, drift, recalibrate, retrain, runs, data):
    app.add_typer(part.app)
app.add_typer(inspect.app, name="data")
