"""Hold what one worker reads with: a reader and a downloader, started when first needed."""

from pipeline.errors import BrowserMissingError
from scraper.harvest import BrowserLost, ResultsReader
from scraper.run import Download, Run

_CURES = {
    False: "sceneset doctor says what is installed; --driver PATH takes another",
    True: "see that a Grid runs there and has a browser to give, or leave --grid out",
}


class OneReaderFewer(Exception):  # noqa: N818  a state of the world, as BrowserLost is
    """A worker gets no reader while others have theirs."""


class Equipment:
    """One worker's reader and downloader."""

    def __init__(self, run: Run) -> None:
        """Start nothing yet."""
        self._run = run
        self._reader: ResultsReader | None = None
        self._downloader: Download | None = None
        self._started = False

    def reader(self) -> ResultsReader:
        """Return the reader, a new one when none runs.

        Raises BrowserLost when one that had run before does not come up again, OneReaderFewer when
        only other workers get theirs, BrowserMissingError when nobody does.
        """
        if self._reader is None:
            try:
                self._reader = self._run.launcher.new_reader()
            except BrowserLost as error:
                if self._started:
                    raise
                if self._run.launcher.has_started:
                    raise OneReaderFewer(str(error)) from error
                cure = _CURES[bool(self._run.settings.grid)]
                problem = f"the browser does not start: {error}"
                raise BrowserMissingError(problem, cure=cure) from error
        self._started = True
        return self._reader

    def downloader(self) -> Download:
        """Return the downloader; it carries the reader's user agent."""
        if self._downloader is None:
            self._downloader = self._run.launcher.new_downloader(self.reader().user_agent)
        return self._downloader

    def drop_reader(self) -> None:
        """End the reader; the next one is new."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """End both."""
        self.drop_reader()
        if self._downloader is not None:
            self._downloader.close()
