"""Events as lines of a collector: JSON in the Segment tracking format.

Lines are made from string templates and precomputed JSON, because a serializer would be too slow.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from examples.shop import catalog
from examples.shop import people as population
from examples.shop.catalog import dumps
from examples.shop.clicks import ADDRESS_BITS, EVENTS, KIND
from examples.shop.dirt import (
    ANONYMOUS_ID_SAME,
    EMAIL_TEST,
    JUNK,
    NOT_JSON,
    PLAN_BREAKING,
    USER_ID_NULL,
)
from examples.shop.people import APP, SLOTS
from examples.shop.server import PLANS, PRIORITIES, REASONS

# Event names of the web tracker; the app and the server use the tracking plan's names.
WEB_NAMES = {
    "product_search": "Products Searched",
    "product_view": "Product Viewed",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "checkout_start": "Checkout Started",
    "purchase": "Order Completed",
    "user_signup": "Signed Up",
    "login": "Signed In",
}
_BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/129.0",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
)
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/129.0 Safari"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:131.0) Gecko/20100101 Firefox/131.0"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Safari/604.1"
_ANDROID = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/129.0 Mobile"
_LAPTOPS = ((_MAC, "macOS", "10.15.7"), (_WINDOWS, "Windows", "10"))
_PHONES = ((_IPHONE, "iOS", "18.0"), (_ANDROID, "Android", "14"))
_SERVER_CONTEXT = '{"library":{"name":"tideline-server","version":"1.4.0"}}'


def anonymous_ids(devices: int, seed: int) -> list[str]:
    """The cookie or installation id of each device, formatted as a UUID."""
    words = np.random.default_rng([seed, 9]).integers(0, 1 << 63, (devices, 2), dtype=np.uint64)
    digits = (f"{a:016x}{b:016x}" for a, b in words.tolist())
    return [f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}" for d in digits]


def lines(
    rows: pd.DataFrame,
    people: int,
    device_ids: Sequence[str],
    orders: Sequence[str],
    first_day: np.datetime64,
) -> list[str]:
    """The rows of `dirt.send` as lines, without line ends.

    `device_ids`: the anonymous ids by device. `orders`: the properties of each order as JSON.
    """
    if rows.empty:
        return []
    device = rows["device"].to_numpy()
    is_app = (device >= 0) & (device < people * SLOTS) & (device % SLOTS == APP)
    is_web = (device >= 0) & ~is_app
    bodies = _bodies(rows, is_app, is_web, orders)
    times = [_iso(rows[c], first_day) for c in ("timestamp", "original", "sent", "received")]
    whole = [
        f'{{{call},"messageId":"{message:016x}",{who},"timestamp":"{timestamp}Z",'
        f'"originalTimestamp":"{original}Z","sentAt":"{sent}Z","receivedAt":"{received}Z",'
        f'"context":{context},{body}}}'
        for (call, body), message, who, timestamp, original, sent, received, context in zip(
            bodies,
            rows["message"].tolist(),
            _who(rows, device_ids),
            *times,
            _contexts(rows, people, is_app),
            strict=True,
        )
    ]
    for cut in np.flatnonzero(rows["fault"] == NOT_JSON):
        whole[cut] = whole[cut][: len(whole[cut]) // 2]
    return whole


def _iso(milliseconds: pd.Series, first_day: np.datetime64) -> list[str]:
    instants = first_day.astype("datetime64[ms]") + milliseconds.to_numpy().astype(
        "timedelta64[ms]"
    )
    return np.datetime_as_string(instants, unit="ms").tolist()


def _who(rows: pd.DataFrame, device_ids: Sequence[str]) -> list[str]:
    device, person = rows["device"].to_numpy(), rows["person"].to_numpy()
    junk, shows_user = rows["junk"].to_numpy(), rows["shows_user"].to_numpy()
    cookies = np.array([*(f'"anonymousId":"{i}",' for i in device_ids), ""], dtype=object)[device]
    cookies[junk == ANONYMOUS_ID_SAME] = f'"anonymousId":"{JUNK["anonymous_id"]}",'
    known, at = np.unique(person, return_inverse=True)
    users = np.array([f'"userId":"{population.user_id(p)}"' for p in known.tolist()], object)[at]
    users[~shows_user] = '"userId":null'
    users[junk == USER_ID_NULL] = f'"userId":"{JUNK["user_id"]}"'
    return (cookies + users).tolist()


def _contexts(rows: pd.DataFrame, people: int, is_app: np.ndarray) -> list[str]:
    device, campaign = rows["device"].to_numpy(), rows["campaign"].to_numpy()
    known, at = np.unique(device, return_inverse=True)
    devices = np.array([_device(d, people) for d in known.tolist()], dtype=object)[at]
    pages = np.array(
        [
            f',"page":{{"url":"{p.url}","path":"{p.path}",'
            f'"referrer":"{referrer}","title":{dumps(p.title)}}}'
            for p in _PAGES
            for referrer in catalog.REFERRERS
        ],
        dtype=object,
    )[_page(rows) * len(catalog.REFERRERS) + campaign]
    pages[is_app] = ""
    campaigns = np.array(
        [f',"campaign":{dumps(c)}' if c else "" for c in catalog.CAMPAIGNS], dtype=object
    )[campaign]
    contexts = "{" + devices + pages + campaigns + "}"
    contexts[device < 0] = _SERVER_CONTEXT
    return contexts.tolist()


def _device(device: int, people: int) -> str:
    """The members of `context` that describe the device."""
    owner, slot = divmod(device, SLOTS)
    ip = f"203.{owner >> 16 & 255}.{owner >> 8 & 255}.{owner & 255}"
    if device >= people * SLOTS:
        agent = _BOTS[(device - people * SLOTS) % len(_BOTS)]
        return f'"ip":"{ip}","userAgent":"{agent}","library":{{"name":"analytics.js"}}'
    is_laptop = slot not in (population.PHONE, APP)
    agent, system, version = (_LAPTOPS if is_laptop else _PHONES)[owner % 2]
    facts = f'"ip":"{ip}","os":{{"name":"{system}","version":"{version}"}}'
    if slot == APP:
        library = "analytics-ios" if system == "iOS" else "analytics-android"
        return (
            f'{facts},"userAgent":"Tideline/4.2 ({system} {version})",'
            f'"device":{{"type":"{system.lower()}"}},"app":{{"name":"Tideline","version":"4.2"}},'
            f'"library":{{"name":"{library}","version":"4.1.0"}}'
        )
    form = "desktop" if is_laptop else "mobile"
    return (
        f'{facts},"userAgent":"{agent}","device":{{"type":"{form}"}},'
        f'"library":{{"name":"analytics.js","version":"2.11.1"}}'
    )


def _page(rows: pd.DataFrame) -> np.ndarray:
    """The page of each row, as an index."""
    kind, detail = rows["kind"].to_numpy(), rows["detail"].to_numpy()

    def among(*events: str) -> np.ndarray:
        return np.isin(kind, [KIND[e] for e in events])

    on_product = among("product_view", "time_on_page", "add_to_cart")
    return np.select(
        [
            kind == KIND["page_view"],
            on_product,
            among("product_search"),
            among("checkout_start", "purchase", "remove_from_cart"),
            among("form_submit"),
            among("identify", "user_signup", "login", "feature_use"),
        ],
        [
            detail,
            catalog.PRODUCT_PAGES + detail,
            catalog.SEARCH,
            catalog.CHECKOUT,
            catalog.NEWSLETTER,
            catalog.ACCOUNT,
        ],
        catalog.HOME,
    )


def _bodies(
    rows: pd.DataFrame, is_app: np.ndarray, is_web: np.ndarray, orders: Sequence[str]
) -> list[tuple[str, str]]:
    """Per row, the JSON members before the common ones (the call) and after them (the content)."""
    kinds, details = rows["kind"].to_numpy(), rows["detail"].to_numpy()
    bodies = np.empty(len(rows), dtype=object)
    for kind in np.unique(kinds).tolist():
        event = EVENTS[kind]
        for on_web in (True, False):
            at = np.flatnonzero((kinds == kind) & (is_web == on_web))
            if event == "time_on_page":
                pairs = zip(
                    details[at].tolist(), rows["seconds"].to_numpy()[at].tolist(), strict=True
                )
                made = [f'"properties":{{"product_id":"P{p:03d}","seconds":{s}}}' for p, s in pairs]
                bodies[at] = _pack([_track(event, on_web)] * len(at), made)
                continue
            # Each distinct detail is rendered once; most events have few.
            known, where = np.unique(details[at], return_inverse=True)
            make = _maker(event, orders)
            calls = [_call(event, on_web, d) for d in known.tolist()]
            bodies[at] = _pack(calls, [make(d) for d in known.tolist()])[where]
    for row in np.flatnonzero(rows["junk"] == EMAIL_TEST).tolist():
        bodies[row] = (bodies[row][0], f'"traits":{{"email":"{JUNK["email"]}"}}')
    faults = rows["fault"].to_numpy()
    for row in np.flatnonzero(faults > 0).tolist():
        event, properties = PLAN_BREAKING[faults[row] - 1]
        bodies[row] = (f'"type":"track","event":"{event}"', f'"properties":{dumps(properties)}')
    return bodies.tolist()


def _pack(calls: list[str], bodies: list[str]) -> np.ndarray:
    """Pairs as an array of tuples; numpy would otherwise make two columns."""
    packed = np.empty(len(calls), dtype=object)
    packed[:] = list(zip(calls, bodies, strict=True))
    return packed


def _track(event: str, on_web: bool) -> str:
    name = WEB_NAMES.get(event, event) if on_web else event
    return f'"type":"track","event":"{name}"'


def _call(event: str, on_web: bool, detail: int) -> str:
    if event == "identify":
        return '"type":"identify"'
    if event == "page_view":
        call = "page" if on_web else "screen"
        return f'"type":"{call}","name":{dumps(_PAGES[detail].title)}'
    return _track(event, on_web)


_PAGES = catalog.pages()
_SEARCHES = catalog.searches()


def _page_view(page: int) -> dict[str, str]:
    shown = _PAGES[page]
    properties = {"url": shown.url, "path": shown.path, "title": shown.title}
    return properties | ({"category": shown.category} if shown.category else {})


def _maker(event: str, orders: Sequence[str]) -> Callable[[int], str]:
    """The function that renders `properties` (or `traits`) from a detail."""
    if event == "identify":
        return lambda said: (
            f'"traits":{{"email":"{population.email(said >> ADDRESS_BITS)}",'
            f'"name":{dumps(population.name(said & ((1 << ADDRESS_BITS) - 1)))}}}'
        )
    if event == "purchase":
        return lambda o: f'"properties":{orders[o]}'
    properties: dict[str, Callable[[int], dict]] = {
        "page_view": _page_view,
        "product_search": lambda s: _SEARCHES[s],
        "product_view": catalog.product,
        "add_to_cart": lambda p: catalog.product(p) | {"quantity": 1},
        "remove_from_cart": lambda p: {"product_id": f"P{p:03d}"},
        "checkout_start": lambda cents: {"value": cents / 100},
        "feature_use": lambda f: {"feature": catalog.FEATURES[f]},
        "user_signup": lambda _: {"method": "email"},
        "login": lambda _: {"method": "password"},
        "form_submit": lambda _: {"form": "newsletter"},
        "email_open": lambda c: {"campaign": catalog.EMAIL_CAMPAIGNS[c]},
        "email_click": lambda c: {"campaign": catalog.EMAIL_CAMPAIGNS[c]},
        "support_ticket": lambda t: {
            "ticket_id": f"T{1 + t // len(PRIORITIES)}",
            "priority": PRIORITIES[t % len(PRIORITIES)],
        },
        "trial_start": lambda p: {"plan": PLANS[p][0]},
        "subscription_start": lambda p: {"plan": PLANS[p][0], "mrr": PLANS[p][1]},
        "subscription_cancel": lambda r: {"reason": REASONS[r]},
    }
    make = properties[event]
    return lambda detail: f'"properties":{dumps(make(detail))}'
