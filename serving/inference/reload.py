"""Keep one model in service, and replace it by a newer one without a failed request."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, translate_error
from serving.inference.memory import give_freed_back
from serving.inference.model import Fingerprint, ServedModel, find_served, fingerprint, load_served
from serving.settings import ServeSettings

LOG = logging.getLogger("serving")
# What /readyz says of a problem, whose words may hold paths of this machine.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (DamagedDataError, "damaged"),
    (MissingInputError, "missing"),
    (SettingsError, "settings"),
    (OSError, "unreadable"),
)


class Keeper:
    """Hold the model in service; requests take `current` once and keep it to their end."""

    def __init__(self, settings: ServeSettings, workers: int) -> None:
        """Load the model. Raises what `find_served` and `load_served` raise."""
        self._settings = settings
        self._workers = workers
        # One thread for all: each thread that ever loaded a model keeps memory of its own.
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="reload")
        path = find_served(settings.model)
        self._seen: Fingerprint = fingerprint(path)
        self._served = self._seen
        self.current: ServedModel = load_served(settings, path, workers, self.thread.submit)
        give_freed_back()
        self.reloads = 0
        self.problem = ""
        self.problem_kind: str | None = None

    def reload(self) -> bool:
        """Load the newest model and put it in service; say whether that could be done.

        A model that cannot be loaded leaves the old one in service; `problem` says why and
        `problem_kind` names it in one word.
        """
        try:
            path = find_served(self._settings.model)
            seen = fingerprint(path)
            fresh = load_served(self._settings, path, self._workers, self.thread.submit)
        except Exception as error:  # noqa: BLE001  whatever it is, the old model goes on
            self._keep_old(error)
            return False
        self._seen = self._served = seen
        self.current.engine.retire()
        self.current, self.problem, self.problem_kind = fresh, "", None
        give_freed_back()
        self.reloads += 1
        LOG.warning("now serving %s version %s", fresh.name, fresh.version)
        return True

    def is_stale(self) -> bool:
        """Say whether the newest model is another than the one that was last looked at.

        When it is again the one in service, what was wrong in between is forgotten.
        """
        try:
            seen = fingerprint(find_served(self._settings.model))
        except Exception as error:  # noqa: BLE001  a folder that is being replaced; said once
            self._keep_old(error, quietly=True)
            self._seen = ()
            return False
        changed, self._seen = seen != self._seen, seen
        if changed and seen == self._served:
            self.problem, self.problem_kind = "", None
            return False
        return changed

    def _keep_old(self, error: Exception, *, quietly: bool = False) -> None:
        known, before = translate_error(error), self.problem
        self.problem = known.problem if known else f"{type(error).__name__}: {error}"
        kinds = [kind for of, kind in _KINDS if isinstance(error, of)]
        self.problem_kind = kinds[0] if kinds else "internal"
        if not (quietly and self.problem == before):
            version = self.current.version
            LOG.error("version %s stays in service: %s", version, self.problem)


async def follow(keeper: Keeper, seconds: float, reloaded: Callable[[bool], None]) -> None:
    """Look for a newer model every so many seconds, for ever; load it beside the old one."""
    while True:
        await asyncio.sleep(seconds)
        loop = asyncio.get_running_loop()
        if await loop.run_in_executor(keeper.thread, keeper.is_stale):
            reloaded(await loop.run_in_executor(keeper.thread, keeper.reload))
