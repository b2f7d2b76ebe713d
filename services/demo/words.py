"""What the pages of the demo's site say around an article, in each of its languages."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """What a page says around its article, in one language."""

    direction: str
    site: str
    home: str
    sections: Mapping[str, str]
    share: str
    related: str
    comments: tuple[str, tuple[tuple[str, str, str], ...]]
    newsletter: str
    rights: str


WORDS = {
    "ar": Words(
        direction="rtl",
        site="جريدة المرفأ",
        home="الرئيسية",
        sections={"economy": "اقتصاد", "health": "صحة", "sport": "رياضة", "culture": "ثقافة"},
        share="شارك الخبر",
        related="اقرأ أيضًا",
        comments=(
            "التعليقات",
            (
                ("قارئ من المدينة", "منذ يومين", "خبر جيد، ونتمنى أن يستمر العمل."),
                ("متابعة", "منذ 5 ساعات", "شكرًا على التغطية."),
            ),
        ),
        newsletter="اشترك في نشرتنا البريدية لتصلك أهم الأخبار كل صباح",
        rights="جميع الحقوق محفوظة - جريدة المرفأ 2026",
    ),
    "en": Words(
        direction="ltr",
        site="The Calder Gazette",
        home="Home",
        sections={"technology": "Technology", "environment": "Environment", "education": "Schools"},
        share="Share this article",
        related="Read more",
        comments=(
            "2 comments",
            (
                ("A reader", "3 hours ago", "About time somebody wrote about this."),
                ("Eastsider", "1 day ago", "I was there and it was exactly like that."),
            ),
        ),
        newsletter="Sign up to our newsletter and get the day's headlines every morning",
        rights="All rights reserved, The Calder Gazette 2026",
    ),
    "fa": Words(
        direction="rtl",
        site="روزنامهٔ سپیدرود",
        home="خانه",
        sections={"economy": "اقتصاد", "culture": "فرهنگ"},
        share="هم‌رسانی",
        related="بیشتر بخوانید",
        comments=("دیدگاه‌ها", (("خواننده", "۲ روز پیش", "خدا قوت به کشاورزان."),)),
        newsletter="برای دریافت خبرنامه ایمیل خود را وارد کنید",
        rights="همهٔ حقوق محفوظ است",
    ),
    "fr": Words(
        direction="ltr",
        site="Le Courrier du Causse",
        home="Accueil",
        sections={"economy": "Économie", "culture": "Culture"},
        share="Partager",
        related="À lire aussi",
        comments=("Commentaires", (("Lectrice", "il y a 2 jours", "Longue vie au fournil !"),)),
        newsletter="Recevez chaque matin l'essentiel de l'actualité",
        rights="Tous droits réservés",
    ),
}
