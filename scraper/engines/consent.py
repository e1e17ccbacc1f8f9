"""Say "Reject all" as consent pages write it, for dialogs that carry no better sign."""

REFUSAL_TEXTS = (
    "Reject all", "Alle ablehnen", "Tout refuser", "Rechazar todo", "Rifiuta tutto",
    "Rejeitar tudo", "Recusar tudo", "Alles afwijzen", "Odrzuć wszystko", "Odmítnout vše",
    "Odmietnuť všetko", "Afvis alle", "Avvisa alla", "Avvis alle", "Hylkää kaikki",
    "Az összes elutasítása", "Respingeți tot", "Отклонить все", "Відхилити все",
    "Отхвърляне на всички", "Απόρριψη όλων", "Tümünü reddet", "Odbij sve", "Zavrni vse",
    "Noraidīt visu", "Atmesti viską", "Keeldu kõigist", "すべて拒否", "모두 거부", "全部拒绝",
    "全部拒絕", "Tolak semua", "Từ chối tất cả", "ปฏิเสธทั้งหมด", "सभी अस्वीकार करें", "رفض الكل",
    "דחיית הכול",
)  # fmt: skip
