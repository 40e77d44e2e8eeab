"""The six archetypes of people in the data. Each person varies around an archetype."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Archetype:
    """The average behavior of one kind of people."""

    name: str
    share: float  # of all people
    visits_per_week: float
    has_app: float  # probability
    app_visits: float  # share of the visits of people with the app
    searches: float  # per visit
    views: float  # product views per visit
    dwell: float  # seconds between two events, median
    reads: float  # probability that a product view reports its time on page
    buys: float  # probability that a visit ends with an order
    basket: float  # additional products per order
    taste: float  # above 1 prefers expensive products, below 1 cheap ones
    coupon: float  # probability per order
    features: float  # uses per app visit; on the web a third of that
    adoption: float  # probability to use a feature
    tickets_per_month: float
    email_open: float  # probability per campaign
    email_click: float  # probability per opened email
    account: float  # probability of an account before the first day
    subscribes: float  # probability of a subscription at some time
    leaves: float  # probability per day that a person without problems decides to leave
    intent: float  # bundle episodes, relative to the average


ARCHETYPES = (
    Archetype(
        name="loyal_collector", share=0.17, visits_per_week=1.4,
        has_app=0.5, app_visits=0.3, searches=0.5, views=2.4, dwell=32, reads=0.25,
        buys=0.5, basket=1.6, taste=3.0, coupon=0.04, features=0.8, adoption=0.3,
        tickets_per_month=0.15, email_open=0.35, email_click=0.2, account=0.95, subscribes=0.1,
        leaves=0.0006, intent=1.3,
    ),
    Archetype(
        name="bargain_hunter", share=0.19, visits_per_week=2.0,
        has_app=0.35, app_visits=0.3, searches=0.6, views=1.3, dwell=13, reads=0.1,
        buys=0.2, basket=0.25, taste=0.3, coupon=0.75, features=0.3, adoption=0.15,
        tickets_per_month=0.12, email_open=0.62, email_click=0.6, account=0.9, subscribes=0.02,
        leaves=0.0014, intent=0.7,
    ),
    Archetype(
        name="researcher", share=0.16, visits_per_week=1.15,
        has_app=0.3, app_visits=0.2, searches=2.6, views=5.0, dwell=55, reads=0.75,
        buys=0.03, basket=0.4, taste=1.5, coupon=0.1, features=0.4, adoption=0.25,
        tickets_per_month=0.1, email_open=0.25, email_click=0.15, account=0.75, subscribes=0.02,
        leaves=0.0012, intent=1.4,
    ),
    Archetype(
        name="app_devotee", share=0.15, visits_per_week=2.8,
        has_app=1.0, app_visits=0.88, searches=0.3, views=1.2, dwell=22, reads=0.15,
        buys=0.06, basket=0.5, taste=1.0, coupon=0.1, features=2.6, adoption=0.85,
        tickets_per_month=0.15, email_open=0.2, email_click=0.1, account=1.0, subscribes=0.75,
        leaves=0.0008, intent=0.8,
    ),
    Archetype(
        name="support_seeker", share=0.12, visits_per_week=1.3,
        has_app=0.4, app_visits=0.3, searches=0.9, views=2.2, dwell=95, reads=0.3,
        buys=0.13, basket=0.5, taste=1.0, coupon=0.15, features=0.7, adoption=0.3,
        tickets_per_month=3.6, email_open=0.3, email_click=0.15, account=0.98, subscribes=0.08,
        leaves=0.0008, intent=0.9,
    ),
    Archetype(
        name="casual", share=0.21, visits_per_week=1.0,
        has_app=0.15, app_visits=0.2, searches=0.35, views=1.1, dwell=20, reads=0.12,
        buys=0.025, basket=0.2, taste=0.9, coupon=0.12, features=0.2, adoption=0.12,
        tickets_per_month=0.05, email_open=0.12, email_click=0.08, account=0.6, subscribes=0.01,
        leaves=0.0022, intent=1.0,
    ),
)  # fmt: skip
