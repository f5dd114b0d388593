"""Environments of the other servers, installed on demand below .bench/."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_MOST_SECONDS = 900


def environment(folder: Path, name: str) -> Path:
    """Return a Python with the packages of requirements-NAME.txt. Raises CalledProcessError, TimeoutExpired."""
    home, wanted = folder / name, HERE / f"requirements-{name}.txt"
    done = home / ".complete"
    if not done.exists() or done.stat().st_mtime < wanted.stat().st_mtime:
        print(f"installing {name} into {home} (minutes, once)", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(wanted)], check=True, timeout=_MOST_SECONDS)
        done.touch()
    return home / "bin" / "python"


def nginx_conf(folder: Path, port: int) -> Path:
    """Write a configuration of one worker that returns static JSON."""
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.error;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 100000000;\n"
        f"client_body_temp_path {folder}/nginx-bodies; proxy_temp_path {folder}/nginx-proxy;\n"
        f"fastcgi_temp_path {folder}/nginx-fastcgi; uwsgi_temp_path {folder}/nginx-uwsgi;\n"
        f"scgi_temp_path {folder}/nginx-scgi;\n"
        f"server {{ listen 127.0.0.1:{port}; default_type application/json;\n"
        'location / { return 200 \'{"hello":"there"}\'; } } }\n'
    )
    return conf
