"""Say what the gallery says, in the languages its pages come in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of one language; `nothing` stands before and after the query."""

    lang: str
    title: str
    search: str
    more: str
    again: str
    end: str
    nothing: tuple[str, str]
    consent_title: str
    consent_text: str
    reject: str
    accept: str


TEXTS = {
    "en": Texts(
        "en",
        title="Gallery Search",
        search="Search",
        more="More results",
        again="Try again",
        end="Looks like you've reached the end",
        nothing=("Your search - ", " - did not match any image results."),
        consent_title="Before you continue to Gallery Search",
        consent_text="We use cookies and data to deliver and to measure our services.",
        reject="Reject all",
        accept="Accept all",
    ),
    "ja": Texts(
        "ja",
        title="ギャラリー検索",
        search="検索",
        more="結果をさらに表示",
        again="もう一度試す",
        end="すべての結果を表示しました",
        nothing=("「", "」に一致する画像は見つかりませんでした。"),
        consent_title="ギャラリー検索を続ける前に",
        consent_text="このサービスの提供と測定のために、クッキーとデータを使用します。",
        reject="すべて拒否",
        accept="すべて同意する",
    ),
    "de": Texts(
        "de",
        title="Galeriesuche",
        search="Suchen",
        more="Weitere Ergebnisse",
        again="Noch einmal versuchen",
        end="Das waren alle Ergebnisse",
        nothing=("Es gibt keine Bilder zu „", "“."),
        consent_title="Bevor Sie zur Galeriesuche weitergehen",
        consent_text="Wir verwenden Cookies und Daten, um unsere Dienste zu erbringen und zu messen.",
        reject="Alle ablehnen",
        accept="Alle akzeptieren",
    ),
    "cs": Texts(
        "cs",
        title="Hledání v galerii",
        search="Hledat",
        more="Další výsledky",
        again="Zkusit znovu",
        end="To jsou všechny výsledky",
        nothing=("Dotazu „", "“ neodpovídají žádné obrázky."),
        consent_title="Než budete pokračovat do galerie",
        consent_text="Soubory cookie a data používáme k poskytování a měření služeb.",
        reject="Odmítnout vše",
        accept="Přijmout vše",
    ),
}
FOREIGN = ("ja", "de", "cs")
_EMOJI = ("🏖️", "📷", "✨", "🐈", "🌸", "👩‍👩‍👧", "🇯🇵", "🎉")


def shown_title(title: str, lang: str, rank: int) -> str:
    """Return a result's title as the page shows it: with emoji on a Japanese page."""
    return f"{_EMOJI[rank % len(_EMOJI)]} {title} の画像" if lang == "ja" else title
