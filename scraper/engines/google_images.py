"""Read Google Images. Class names die every year, attributes live on: only the latter stand here."""

from scraper.engines.results_page import ResultsPage, Strategy

GOOGLE_IMAGES = ResultsPage(
    name="google",
    template="https://www.google.com/search?q={query}&udm=2&hl=en",
    terms="Google's terms of service limit automated queries: https://policies.google.com/terms",
    strategies=(
        Strategy(
            name="docid and landing page",
            item="[data-docid][data-lpage]",
            id_attribute="data-docid",
            seen="2024-08 to 2026-07",
        ),
        Strategy(
            name="tbnid",
            item="[data-ri][data-id][data-tbnid]:not([data-rel])",
            id_attribute="data-tbnid",
            seen="2022-05",
        ),
    ),
    more_controls=('[jsname="oHxHid"]', 'input[type="button"][value="Show more results"]'),
    end_texts=("Looks like you've reached the end", "The rest of the results might not be"),
)
