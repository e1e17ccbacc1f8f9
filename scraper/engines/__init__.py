"""Read one results page or API each; a new engine is one file and one line here."""

from scraper.engines.api import ApiEngine
from scraper.engines.bing_images import BING_IMAGES
from scraper.engines.engine import ResultsPage
from scraper.engines.google_images import GOOGLE_IMAGES
from scraper.engines.openverse import OPENVERSE
from scraper.engines.wikimedia_commons import WIKIMEDIA_COMMONS

ENGINES: dict[str, ResultsPage | ApiEngine] = {
    engine.name: engine
    for engine in (
        GOOGLE_IMAGES,
        BING_IMAGES,
        OPENVERSE,
        WIKIMEDIA_COMMONS,
    )
}
