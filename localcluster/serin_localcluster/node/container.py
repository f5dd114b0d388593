"""One container as a process: start, probes, restarts with back-off, stop."""

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from serin_localcluster import processes

Json = dict[str, Any]
PostEvent = Callable[[str, str, str], Awaitable[None]]
"""Posts an Event: type, reason, message."""
MAX_BACKOFF_SECONDS = 300.0
BACKOFF_RESET_SECONDS = 600.0


def now_text() -> str:
    """Return the current time in the format of the API server."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Probe:
    """One probe of one container: consecutive results against its thresholds."""

    period: float = 10.0
    timeout: float = 1.0
    delay: float = 0.0
    failures_needed: int = 3
    successes_needed: int = 1
    holds: bool = False
    """Whether the probe currently passes."""
    _failures: int = field(default=0, repr=False)
    _successes: int = field(default=0, repr=False)

    @classmethod
    def of(cls, spec: dict[str, Any], *, holds: bool = False) -> "Probe":
        """Return the probe of a container's spec, with Kubernetes' defaults."""
        return cls(
            period=float(spec.get("periodSeconds") or 10),
            timeout=float(spec.get("timeoutSeconds") or 1),
            delay=float(spec.get("initialDelaySeconds") or 0),
            failures_needed=int(spec.get("failureThreshold") or 3),
            successes_needed=int(spec.get("successThreshold") or 1),
            holds=holds,
        )

    def note(self, *, passed: bool) -> bool:
        """Record a result; return whether `holds` changed or the failure threshold is reached again."""
        if passed:
            self._successes, self._failures = self._successes + 1, 0
            if not self.holds and self._successes >= self.successes_needed:
                self.holds = True
                return True
            return False
        self._failures, self._successes = self._failures + 1, 0
        if self._failures >= self.failures_needed:
            self.holds = False
            return True
        return False


def restart_delay(restarts: int, *, base: float) -> float:
    """Return the seconds until a container is restarted: none the first time, then doubling."""
    if restarts <= 0:
        return 0.0
    return float(min(base * 2.0 ** min(restarts - 1, 16), MAX_BACKOFF_SECONDS))


@dataclass
class Command:
    """The command line, environment and working directory of a container."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path


@dataclass
class Container:
    """One container of one pod. `changed` is called whenever its status may have changed."""

    spec: Json
    address: str
    directory: Path
    backoff: float
    post_event: PostEvent
    changed: Callable[[], None]
    restart_policy: str = "Always"
    state: Json = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: Json = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    _process: asyncio.subprocess.Process | None = None
    _streak: int = 0

    @property
    def name(self) -> str:
        """Name of the container in its pod."""
        return str(self.spec["name"])

    @property
    def exit_code(self) -> int | None:
        """Exit code of a process that is not started again, else None."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return None if self.restart_policy == "Always" or (self.restart_policy == "OnFailure" and code) else code

    def status(self) -> Json:
        """Return its entry in containerStatuses."""
        return {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"process://{self.spec['image']}" if self.container_id else "",
            **({"containerID": self.container_id} if self.container_id else {}),
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last_state,
        }

    def log_file(self, *, previous: bool = False) -> Path:
        """Return the file of its output."""
        return self.directory / f"{self.name}{'.previous' if previous else ''}.log"

    def wait_for(self, reason: str, message: str = "") -> None:
        """Set the state to waiting, with a reason."""
        waiting = {"reason": reason} | ({"message": message} if message else {})
        if self.state != {"waiting": waiting}:
            self.state = {"waiting": waiting}
            self.changed()

    async def run(self, command: Command) -> None:
        """Run and restart with back-off until cancelled, or until the pod's restart policy allows no restart."""
        while True:
            began = asyncio.get_running_loop().time()
            await self._run_once(command)
            if self.exit_code is not None:
                return
            if asyncio.get_running_loop().time() - began > BACKOFF_RESET_SECONDS:
                self._streak = 0
            delay = restart_delay(self._streak, base=self.backoff)
            self._streak += 1
            if delay:
                message = f"back-off {delay:g}s restarting failed container={self.name}"
                self.wait_for("CrashLoopBackOff", message)
                await self.post_event("Warning", "BackOff", message)
                await asyncio.sleep(delay)
            self.restarts += 1

    async def _run_once(self, command: Command) -> None:
        log = self.log_file()
        if log.exists():
            log.replace(self.log_file(previous=True))
        started_at = now_text()
        try:
            self._process = await processes.start(
                command.argv, log=log, environment=command.environment, directory=command.directory
            )
        except OSError as error:
            message = f"{shlex.join(command.argv)}: {error}"
            self._ended(128, "StartError", started_at, message)
            await self.post_event("Warning", "Failed", f"Error: {message}")
            return
        pid_file = self.directory / f"{self.name}.pid"
        pid_file.write_text(str(self._process.pid))
        self.container_id = f"process://{self._process.pid}-{self.restarts}"
        self.state = {"running": {"startedAt": started_at}}
        self.started = "startupProbe" not in self.spec
        self.ready = self.started and "readinessProbe" not in self.spec
        self.changed()
        await self.post_event("Normal", "Started", f"Container started: {self.name}")
        probes = asyncio.create_task(self._probe())
        try:
            code = await self._process.wait()
        finally:
            probes.cancel()
            await asyncio.gather(probes, return_exceptions=True)
        pid_file.unlink(missing_ok=True)
        # Signals are reported as by a shell: 128 + signal.
        exit_code = 128 - code if code < 0 else code
        self._ended(exit_code, "Completed" if exit_code == 0 else "Error", started_at)

    def _ended(self, code: int, reason: str, started_at: str, message: str = "") -> None:
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": started_at,
            "finishedAt": now_text(),
            "containerID": self.container_id or "process://none",
        } | ({"message": message} if message else {})
        self.state, self.last_state = {"terminated": ended}, {"terminated": ended}
        self.ready, self.started = False, False
        self.changed()

    async def stop(self, *, grace: float) -> None:
        """Stop as the kubelet does: preStop, SIGTERM, and SIGKILL after the grace period (seconds)."""
        if self._process is None or self._process.returncode is not None:
            return
        pause = self.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        pause = min(float(pause), grace)
        if pause:
            await asyncio.sleep(pause)
        await processes.end(self._process, grace=max(grace - pause, 0.1))

    def kill(self) -> None:
        """Send SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def _probe(self) -> None:
        async with aiohttp.ClientSession() as session:
            if "startupProbe" in self.spec:
                await self._until_started(session, self.spec["startupProbe"])
            loops = []
            if "readinessProbe" in self.spec:
                loops.append(self._readiness(session, self.spec["readinessProbe"]))
            if "livenessProbe" in self.spec:
                loops.append(self._liveness(session, self.spec["livenessProbe"]))
            await asyncio.gather(*loops)

    async def _until_started(self, session: aiohttp.ClientSession, spec: Json) -> None:
        probe = Probe.of(spec)
        await asyncio.sleep(probe.delay)
        while not probe.holds:
            passed, why = await self._check(session, spec, probe)
            if probe.note(passed=passed) and not probe.holds:
                await self._unhealthy("Startup", why, kill=True)
                return
            if not probe.holds:
                # Processes start fast; waiting for a whole period would only slow tests down.
                await asyncio.sleep(min(probe.period, 0.25))
        self.started = True
        self.ready = "readinessProbe" not in self.spec
        self.changed()

    async def _readiness(self, session: aiohttp.ClientSession, spec: Json) -> None:
        probe = Probe.of(spec)
        await asyncio.sleep(probe.delay)
        while True:
            passed, why = await self._check(session, spec, probe)
            if probe.note(passed=passed) and probe.holds != self.ready:
                self.ready = probe.holds
                self.changed()
                if not probe.holds:
                    await self._unhealthy("Readiness", why, kill=False)
            await asyncio.sleep(probe.period if self.ready else min(probe.period, 0.25))

    async def _liveness(self, session: aiohttp.ClientSession, spec: Json) -> None:
        probe = Probe.of(spec, holds=True)
        await asyncio.sleep(probe.delay)
        while True:
            await asyncio.sleep(probe.period)
            passed, why = await self._check(session, spec, probe)
            if probe.note(passed=passed) and not probe.holds:
                await self._unhealthy("Liveness", why, kill=True)
                return

    async def _unhealthy(self, kind: str, why: str, *, kill: bool) -> None:
        await self.post_event("Warning", "Unhealthy", f"{kind} probe failed: {why}")
        if kill and self._process is not None:
            await self.post_event(
                "Normal", "Killing", f"Container {self.name} failed {kind.lower()} probe, will be restarted"
            )
            await processes.end(self._process, grace=5)

    async def _check(self, session: aiohttp.ClientSession, spec: Json, probe: Probe) -> tuple[bool, str]:
        timeout = aiohttp.ClientTimeout(total=probe.timeout)
        http = spec.get("httpGet")
        try:
            if http is None:
                port = self._port(spec["tcpSocket"]["port"])
                async with asyncio.timeout(probe.timeout):
                    _, writer = await asyncio.open_connection(self.address, port)
                writer.close()
                return True, ""
            scheme = str(http.get("scheme", "HTTP")).lower()
            url = f"{scheme}://{self.address}:{self._port(http['port'])}{http.get('path', '/')}"
            async with session.get(url, timeout=timeout, ssl=False) as response:
                return 200 <= response.status < 400, f"HTTP probe failed with statuscode: {response.status}"  # noqa: PLR2004
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return False, f"{error or type(error).__name__}"

    def _port(self, port: int | str) -> int:
        if isinstance(port, int):
            return port
        found = (one["containerPort"] for one in self.spec.get("ports", []) if one.get("name") == port)
        return int(next(found))
