"""Everyday sentences that the demo's voices say in every emotion: their words suggest none.

The sentences of a language stand in the same order as their translations.
"""

from collections.abc import Mapping

SENTENCES: Mapping[str, tuple[str, ...]] = {
    "zh": (
        "火车十点到北京。",
        "书放在窗户旁边的桌子上。",
        "他们明天去看望奶奶。",
        "商店下午六点关门。",
        "我把钥匙放在门口了。",
        "这条路一直通到河边。",
        "她今天穿了一件蓝色的外套。",
        "厨房里还有两个苹果。",
        "会议改到星期三上午了。",
        "邻居家的狗在院子里。",
    ),
    "de": (
        "Der Zug kommt um zehn Uhr in Berlin an.",
        "Das Buch liegt auf dem Tisch am Fenster.",
        "Morgen besuchen sie ihre Großmutter.",
        "Der Laden schließt um sechs Uhr abends.",
        "Ich habe den Schlüssel neben die Tür gelegt.",
        "Dieser Weg führt bis hinunter zum Fluss.",
        "Sie trägt heute einen blauen Mantel.",
        "In der Küche sind noch zwei Äpfel.",
        "Die Sitzung ist auf Mittwoch verlegt.",
        "Der Hund der Nachbarn ist im Hof.",
    ),
    "en": (
        "The train arrives in London at ten.",
        "The book is on the table by the window.",
        "They will visit their grandmother tomorrow.",
        "The shop closes at six in the evening.",
        "I have put the key next to the door.",
        "This road leads down to the river.",
        "She is wearing a blue coat today.",
        "There are two more apples in the kitchen.",
        "The meeting has been moved to Wednesday.",
        "The neighbours' dog is in the yard.",
    ),
}
"""ISO 639-1 code -> sentences."""
