"""The products and pages of the shop; they are the same for every seed."""

import json
from dataclasses import dataclass

import numpy as np

CATEGORIES = ("footwear", "jackets", "accessories", "shirts", "equipment")
FOOTWEAR, JACKETS, ACCESSORIES, SHIRTS, EQUIPMENT = range(len(CATEGORIES))
PRODUCTS_PER_CATEGORY = 60
PRODUCT_COUNT = PRODUCTS_PER_CATEGORY * len(CATEGORIES)

# Lowest and highest price in cents. Any jacket with any pair of shoes from 140 on costs at least
# 250.
PRICE_RANGES = ((6000, 26000), (12000, 38000), (900, 6000), (1900, 9000), (3900, 40000))
EXPENSIVE_SHOES = 14000  # cents

SECTIONS = (
    ("Men's running shoes", "Women's running shoes", "Trail shoes", "Hiking boots", "Sneakers"),
    ("Men's rain jackets", "Women's rain jackets", "Down jackets", "Softshells", "Parkas"),
    ("Socks", "Hats and caps", "Gloves", "Belts", "Sunglasses"),
    ("Men's shirts", "Women's shirts", "Base layers", "Jerseys", "Polo shirts"),
    ("Backpacks", "Tents", "Trekking poles", "Watches", "Sleeping bags"),
)
_FIRST_WORDS = ("Trail", "Summit", "River", "Harbor", "Polar", "Ridge", "Forest", "Storm", "Dune")
_LAST_WORDS = (
    ("Runner", "Racer", "Hiker", "Walker", "Sprint"),
    ("Shell", "Parka", "Breaker", "Down", "Shield"),
    ("Sock", "Cap", "Glove", "Belt", "Shade"),
    ("Tee", "Shirt", "Layer", "Jersey", "Polo"),
    ("Pack", "Tent", "Pole", "Watch", "Bag"),
)

# The first five are the key features of seeds/key_features.csv.
FEATURES = (
    "wishlist",
    "size_guide",
    "store_finder",
    "style_quiz",
    "order_tracking",
    "barcode_scan",
    "outfit_builder",
    "back_in_stock_alert",
    "share_look",
    "dark_mode",
)
EMAIL_CAMPAIGNS = ("weekly_deals", "new_arrivals")
# The campaign of a visit, as `context.campaign`; the first means no campaign.
CAMPAIGNS = (
    None,
    {"source": "newsletter", "medium": "email", "name": "weekly_deals"},
    {"source": "google", "medium": "cpc", "name": "running_shoes"},
    {"source": "instagram", "medium": "social", "name": "autumn_looks"},
)
REFERRERS = ("", "", "https://www.google.com/", "https://www.instagram.com/")  # by campaign
NO_CAMPAIGN, EMAIL_CAMPAIGN, SEARCH_AD, SOCIAL_AD = range(len(CAMPAIGNS))

# Indexes of pages: the fixed ones, then one per category, then one per product.
HOME, SEARCH, CHECKOUT, ACCOUNT, NEWSLETTER = range(5)
CATEGORY_PAGES = 5
PRODUCT_PAGES = CATEGORY_PAGES + len(CATEGORIES)
_FIXED_PAGES = (
    ("/", "Tideline Outfitters"),
    ("/search", "Search"),
    ("/checkout", "Checkout"),
    ("/account", "Your account"),
    ("/newsletter", "Newsletter"),
)
_SITE = "https://shop.example.com"


@dataclass(frozen=True)
class Page:
    """A page of the web shop; the app shows the same pages as screens."""

    path: str
    title: str
    category: str | None

    @property
    def url(self) -> str:
        """The full URL."""
        return _SITE + self.path


def _prices() -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = []
    for low, high in PRICE_RANGES:
        # More cheap products than expensive ones; sorted, so that a rank is a price level.
        share = np.sort(rng.beta(1.2, 1.6, PRODUCTS_PER_CATEGORY))
        rows.append(np.round((low + share * (high - low)) / 100).astype(np.int64) * 100)
    return np.concatenate(rows)


PRICES = _prices()  # cents, by product; rising within a category
FIRST_EXPENSIVE_SHOE = int(np.searchsorted(PRICES[:PRODUCTS_PER_CATEGORY], EXPENSIVE_SHOES))


def _name(product: int) -> str:
    category, rank = divmod(product, PRODUCTS_PER_CATEGORY)
    last = _LAST_WORDS[category]
    # After 9 x 5 combinations, the number at the end increases.
    return f"{_FIRST_WORDS[rank % 9]} {last[rank % 5]} {rank // 45 + 1}"


def _section(product: int) -> str:
    category, rank = divmod(product, PRODUCTS_PER_CATEGORY)
    return SECTIONS[category][rank % 5]


def product(index: int) -> dict[str, str | float]:
    """The properties of a product as a tracker sends them; `price` in the shop's currency."""
    return {
        "product_id": f"P{index:03d}",
        "name": _name(index),
        "category": CATEGORIES[index // PRODUCTS_PER_CATEGORY],
        "section": _section(index),
        "price": int(PRICES[index]) / 100,
    }


def pages() -> list[Page]:
    """All pages, in the order of the page indexes above."""
    fixed = [Page(path, title, None) for path, title in _FIXED_PAGES]
    of_categories = [Page(f"/c/{name}", name.capitalize(), name) for name in CATEGORIES]
    of_products = [
        Page(f"/p/P{i:03d}", _name(i), CATEGORIES[i // PRODUCTS_PER_CATEGORY])
        for i in range(PRODUCT_COUNT)
    ]
    return fixed + of_categories + of_products


def searches() -> list[dict[str, str]]:
    """The properties of a search per section: five per category, in the order of `SECTIONS`."""
    return [
        {"query": section.lower(), "category": category}
        for category, sections in zip(CATEGORIES, SECTIONS, strict=True)
        for section in sections
    ]


def dumps(value: object) -> str:
    """Compact JSON; non-ASCII letters are not escaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
