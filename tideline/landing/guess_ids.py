"""Guesses which columns of a log identify the row and the person, and tests their values."""

from __future__ import annotations

from dataclasses import dataclass, field

from tideline.landing.log_columns import (
    ENOUGH,
    INTEGERS,
    MONEY,
    Columns,
    Counts,
    last_word,
    quoted,
    quoted_sql,
    text_of,
)
from tideline.landing.names import identifier
from tideline.text import counted

# Words for a person in other languages, as in the columns `kunde` and `cliente_no`.
PEOPLE = {
    *("kunde", "kunden", "mitglied", "mitglieds", "nutzer", "benutzer", "teilnehmer", "spieler"),
    *("abonnent", "abonnenten", "cliente", "usuario", "socio", "miembro", "utilisateur", "membre"),
    *("adherent", "abonne", "utente", "membro", "klant", "gebruiker", "lid", "kund", "medlem"),
    *("bruger", "anvaendare", "utilizador", "klient", "uzytkownik"),
}
# Names of columns in snake_case, the likeliest first.
EVENT_IDS = (
    *("event_id", "message_id", "insert_id", "event_uuid", "hit_id", "request_id"),
    *("log_id", "uuid", "guid", "id"),
)
USERS = (
    *("user_id", "customer_id", "account_id", "member_id", "customer", "user", "uid"),
    *("username", "login", "user_name", "subscriber", "member", "person", *sorted(PEOPLE)),
)
DEVICES = (
    *("anonymous_id", "visitor_id", "device_id", "client_id", "cookie_id", "cookie"),
    *("visitor", "sensor", "machine", "fingerprint"),
)
EMAILS = ("email", "email_address", "user_email", "customer_email", "e_mail", "mail")
ADDRESSES = ("host", "ip", "ip_address", "remote_host", "remote_addr", "client_ip", "c_ip")
SESSIONS = ("session_id", "session", "sessionid")
USER_WORDS = {"user", "customer", "member", "account", "subscriber", "person", "patient"}
USER_WORDS |= {"student", "driver", "player", "employee", "contact", "client", "cust", *PEOPLE}
DEVICE_WORDS = {"device", "sensor", "machine", "visitor", "cookie", "browser", "installation"}
DEVICE_WORDS |= {"anonymous", "meter", "vehicle", "gateway", "terminal"}
ID_WORDS = {"id", "uuid", "guid", "key", "no", "nr", "number", "ref", "code", "hash", "nummer"}
ID_WORDS |= {"num", "nro", "numero", "kennung"}
# Words for data of one person that are not ids.
NOT_IDS = {"phone", "mobile", "tel", "telephone", "telefon", "handy", "mobil", "fax", "iban", "bic"}
NOT_IDS |= {"birth", "birthday", "dob", "geburtsdatum", "geburtstag", "zip", "plz", "postcode"}
NOT_IDS |= {"ip", "ssn", "passport", "password", "secret", "token", "name", "vorname", "nachname"}
EMAIL = r"[^@\s]+@[^@\s]+[.][A-Za-z]{2,}"
UUID = r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{24,64}"
# An id has a digit and no blank; dates and times are not ids.
ID_LIKE, DATE = r"\S*\d\S*", r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}.*|1\d{9}(\d{3})?([.]\d+)?"
ADDRESS = r"\d{1,3}([.]\d{1,3}){3}|[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)+"
WITH_DECIMALS = r"\D{0,4}\d+[.,]\d{1,2}\D{0,4}"
# A user filled in fewer rows may be known otherwise by a column filled in nearly all.
OFTEN, NEARLY_ALWAYS = 0.9, 0.95
# If more than this share of the values occur once, they identify rows.
ONCE = 0.98
# Up to this share of the values may occur with several users.
SHARED = 0.05
# The least number of values, and the least number of them per device, for evidence.
FEWEST = 5
SHARED_BY = 0.2
# Numbers below this whose values are at most this share of the rows are quantities, not ids.
LARGE_AMOUNT, FEW_AMOUNTS = 1000, 0.01


@dataclass
class Ids:
    """Lines of the mapping and the columns that they use."""

    lines: list[str] = field(default_factory=list)
    used: dict[str, str] = field(default_factory=dict)  # key of the mapping: column

    def add(self, key: str, column: str, note: str) -> None:
        """Map a column."""
        self.lines.append(f"{key}: {quoted(column)}  # {note}")
        self.used[key] = column

    def refuse(self, key: str, column: str, note: str) -> None:
        """Add a comment that says why a likely column is not mapped."""
        self.lines.append(f"# {key}: {quoted(column)}  # not mapped: {note}")

    def has_person(self) -> bool:
        """Whether a column that identifies a person is mapped."""
        return bool({"user_id", "anonymous_id", "email"} & set(self.used))


def find_ids(columns: Columns, taken: set[str]) -> Ids:
    """The lines for event_id, user_id, anonymous_id and email."""
    ids = Ids()
    free = [name for name in columns.names if name not in taken]
    mails = [name for name in free if columns.holds(name, EMAIL)]
    # A user column of email addresses is mapped to `email`.
    users = [name for name in named(columns, free, USERS, USER_WORDS) if name not in mails]
    find_event_id(columns, [name for name in free if name not in users], ids)
    ask_copies(columns, ids)
    find_person(columns, "user_id", users, ids)
    free = [name for name in free if name not in ids.used.values()]
    devices = named(columns, free, DEVICES, DEVICE_WORDS)
    find_person(columns, "anonymous_id", [name for name in devices if name not in mails], ids)
    find_email(columns, free, ids)
    if "email" not in ids.used:
        find_mails(columns, [name for name in mails if columns.words[name] not in EMAILS], ids)
    if "anonymous_id" not in ids.used:
        find_anonymous(columns, free, ids)
    if not ids.has_person():
        ids.lines += nobody(columns, free)
    elif "user_id" not in ids.used:
        find_by_evidence(columns, free, ids)
    elif "anonymous_id" not in ids.used:
        ids.lines += without_user(columns, free, ids)
    return ids


def named(columns: Columns, free: list[str], names: tuple[str, ...], about: set[str]) -> list[str]:
    """Columns with one of the names, then columns whose names are ids of these things."""
    by_words = {columns.words[name]: name for name in reversed(free)}
    first = [by_words[name] for name in names if name in by_words]
    ids = [name for name in free if is_id_of(columns.words[name], about)]
    return list(dict.fromkeys([*first, *ids]))


def is_id_of(name: str, about: set[str]) -> bool:
    """Whether a name such as `customer_no` or `userid` is an id of one of these things."""
    *before, last = name.split("_")
    joined = {word + end for word in about for end in ("id", "nummer", "nr", "no")}
    return name in joined or (last in ID_WORDS and bool(set(before) & about))


def find_event_id(columns: Columns, free: list[str], ids: Ids) -> None:
    """Map the column that is filled and unique in all rows."""
    by_words = {columns.words[name]: name for name in reversed(free)}
    names = [by_words[name] for name in EVENT_IDS if name in by_words]
    others = [
        name
        for name in free
        if name not in names
        and last_word(columns.words[name]) in ("id", "uuid", "guid")
        and columns.words[name] not in DEVICES
    ]
    for name in [*names, *others]:
        counts = columns.counts(name)
        is_unique = counts.filled == counts.distinct == columns.rows
        if is_unique and (
            columns.words[name] in EVENT_IDS[:-1] or not is_row_number(columns, name)
        ):
            ids.add("event_id", name, f"{counts}: unique and complete")
            return
        if is_unique:
            ids.refuse("event_id", name, f"{counts}, a row number that may begin anew in a file")
        elif name in names and columns.words[name] not in ("uuid", "guid", "id"):
            ids.refuse("event_id", name, repeated(columns, name, counts))


def ask_copies(columns: Columns, ids: Ids) -> None:
    """Add a question if the log has identical rows: it cannot tell whether they are one event."""
    if "event_id" in ids.used or any("the same rows again" in line for line in ids.lines):
        return
    if not (copies := columns.copies()):
        return
    said = counted(copies, "row is identical to another", "rows are identical to others")
    ids.lines.append(
        f"# event_id: {{sql: md5(_tl_row)}}  # {said}; with this line such rows count once"
    )


def repeated(columns: Columns, name: str, counts: Counts) -> str:
    """The reason why an event id is not unique and complete."""
    extra = counts.filled - counts.distinct
    empty = columns.rows - counts.filled
    said = [f"{counts}"]
    if empty:
        said.append(f"{counted(empty, 'row has', 'rows have')} none")
    if extra:
        text = text_of(name)
        row = ", ".join(identifier(each) for each in columns.names)
        (copies,) = columns.row(
            "coalesce(sum(n - 1), 0)::bigint",
            f"(select count(*) as n from _tl_log where {text} is not null group by {row})",
        )
        if copies == extra:
            said.append("the repeats are the same rows again: map it to count them once")
        else:
            said.append(
                f"so it is not unique: with this line {counted(extra, 'row')} would become "
                f"{'a duplicate' if extra == 1 else 'duplicates'}"
            )
    return ", ".join(said)


def is_row_number(columns: Columns, name: str) -> bool:
    """Whether a column counts from 0 or 1 without a gap."""
    if not columns.is_number(name):
        return False
    low, high = columns.row(f"min({identifier(name)}), max({identifier(name)})")
    return low in (0, 1) and high - low == columns.rows - 1


def objection(columns: Columns, counts: Counts) -> str | None:
    """The reason why the values of a column do not identify people; None if they may."""
    if not counts.filled:
        return "empty in all rows"
    if columns.rows < ENOUGH:
        return None
    if counts.distinct == 1:
        return f"one value in all {counted(counts.filled, 'row')}"
    if counts.once > ONCE * counts.distinct:
        return f"{counts}, hardly any occurs twice: they name rows, not people"
    return None


def evidence(columns: Columns, counts: Counts) -> str:
    """The evidence for a column that identifies people."""
    said = [str(counts) if columns.rows >= ENOUGH else "by its name; too few rows to test it"]
    empty = columns.rows - counts.filled
    if empty:
        said.append(f"{counted(empty, 'row is', 'rows are')} empty")
    if columns.rows >= ENOUGH and counts.most > 0.5 * counts.filled:
        said.append(f"one value has {counts.most:,} rows: is it a placeholder for nobody?")
    return ", ".join(said)


def find_person(columns: Columns, key: str, names: list[str], ids: Ids) -> None:
    """Map the first of the columns whose values repeat like ids of people."""
    for name in names:
        if name in ids.used.values():
            continue
        counts = columns.counts(name)
        why = nested(columns, name) or objection(columns, counts)
        if why:
            ids.refuse(key, name, why)
            continue
        ids.add(key, name, evidence(columns, counts))
        return


def nested(columns: Columns, name: str) -> str | None:
    """The reason why objects are not ids: other values in them may differ; None if not JSON."""
    if columns.kind(name) != "JSON":
        return None
    value = quoted_sql(f"{identifier(name)} ->> 'id'")
    return f"holds objects or arrays; name a value of it, such as {{sql: {value}}}"


def find_email(columns: Columns, free: list[str], ids: Ids) -> None:
    """Map the column of email addresses."""
    for name in free:
        if columns.words[name] not in EMAILS or name in ids.used.values():
            continue
        counts = columns.counts(name)
        why = objection(columns, counts)
        if columns.share(name, EMAIL) < 0.9:
            why = "holds no email addresses"
        if why and "hardly any" in why and ids.has_person():
            why = None  # one address per person is normal
        if why:
            ids.refuse("email", name, why)
        else:
            ids.add("email", name, evidence(columns, counts))
            return


def find_mails(columns: Columns, mails: list[str], ids: Ids) -> None:
    """Map a column of addresses with another name; if there are several, add a question."""
    own = {}
    for name in mails:
        counts = columns.counts(name)
        said = f"{columns.share(name, EMAIL):.1%} of its values are email addresses"
        why = objection(columns, counts)
        if why and "hardly any" in why and ids.has_person():
            why = None  # one address per person is normal
        why = why or not_own(columns, name, ids.used.get("user_id"))
        if why:
            ids.refuse("email", name, f"{said}, {why}")
        else:
            own[name] = f"{said}, {evidence(columns, counts)}"
    for name, said in own.items():
        if len(own) == 1:
            ids.add("email", name, said)
        else:
            ids.lines.append(f"# email: {quoted(name)}  # {said}: is it the person's own?")


def not_own(columns: Columns, name: str, user: str | None) -> str | None:
    """The reason why addresses are not the user's own: several per user, or shared; else None."""
    if not user:
        return None
    if why := shared(columns, name, user):
        return f"{why}: not the user's own"
    address, owner = text_of(name), text_of(user)
    users, several = columns.row(
        "count(*), count(*) filter (where addresses > 1)",
        f"(select count(distinct lower({address})) as addresses from _tl_log "
        f"where {address} is not null and {owner} is not null group by {owner})",
    )
    if several > SHARED * users:
        return f"{several:,} of {users:,} users have several: somebody else's, such as a recipient"
    return None


def find_anonymous(columns: Columns, free: list[str], ids: Ids) -> None:
    """Map a repeated uuid; without another id of a person, also an address or a session."""
    free = [name for name in free if name not in ids.used.values()]
    for name in free:
        word = columns.words[name]
        is_session = "session" in word.split("_") or word in SESSIONS
        is_uuid = (
            word in ("uuid", "guid")
            or (columns.kind(name) == "VARCHAR" and columns.share(name, UUID) >= 0.9)
            or columns.kind(name) == "UUID"
        )
        if not is_uuid or is_session:
            continue
        counts = columns.counts(name)
        why = objection(columns, counts)
        if not why and (several := shared(columns, name, ids.used.get("user_id"))):
            why = f"{several}: a thing, not a visitor"
        if why:
            ids.refuse("anonymous_id", name, why)
        else:
            said = f"{evidence(columns, counts)}: it repeats, so it names a visitor, not a row"
            ids.add("anonymous_id", name, said)
            return
    if ids.has_person():
        return
    for name in free:
        is_address = columns.words[name] in ADDRESSES or (
            columns.kind(name) == "VARCHAR"
            and columns.share(name, ADDRESS) >= 0.95
            and not is_price(columns, name)
        )
        if is_address:
            counts = columns.counts(name)
            if not objection(columns, counts):
                said = f"{evidence(columns, counts)}; people behind one address count as one"
                ids.add("anonymous_id", name, said)
                return
    for name in free:
        if columns.words[name] in SESSIONS:
            counts = columns.counts(name)
            if not objection(columns, counts):
                said = f"{evidence(columns, counts)}; each session counts as a person of its own"
                ids.add("anonymous_id", name, said)
                return


def shared(columns: Columns, name: str, user: str | None) -> str | None:
    """The share of a column's values with several users, in words; None if it is small."""
    if not user:
        return None
    value, owner = text_of(name), text_of(user)
    values, several = columns.row(
        "count(*), count(*) filter (where owners > 1)",
        f"(select count(distinct {owner}) as owners from _tl_log "
        f"where {value} is not null and {owner} is not null group by {value})",
    )
    if values and several > SHARED * values:
        return f"{several:,} of {values:,} values are with several users"
    return None


def find_by_evidence(columns: Columns, free: list[str], ids: Ids) -> None:
    """Map a column of ids of any name that pairs one to one with the addresses. Add a question
    instead if it is not clear, or if only a device is known.
    """
    owner = ids.used.get("email") or ids.used["anonymous_id"]
    found = {}
    for name in free:
        if name in ids.used.values() or not could_name(columns, name):
            continue
        if why := belongs(columns, name, owner, "email" in ids.used):
            found[name] = f"{columns.counts(name)}, {why}"
    clear = [name for name in found if "email" in ids.used and columns.share(name, ID_LIKE) >= 0.9]
    for name, said in found.items():
        if clear == [name]:
            ids.add("user_id", name, said)
        else:
            ids.lines.append(f"# user_id: {quoted(name)}  # could be a person's id: {said}")


def without_user(columns: Columns, free: list[str], ids: Ids) -> list[str]:
    """Questions about columns of ids that are filled where the column of the user often is not."""
    user = columns.counts(ids.used["user_id"])
    if user.filled >= OFTEN * columns.rows:
        return []
    return [
        f"# anonymous_id: {quoted(name)}  # filled in {columns.filled[name] / columns.rows:.1%} of "
        f"the rows, {quoted(ids.used['user_id'])} in {user.filled / columns.rows:.1%}: map it too "
        "if it names a device or card"
        for name in free
        if name not in ids.used.values()
        and columns.filled[name] >= NEARLY_ALWAYS * columns.rows
        and could_name(columns, name)
        and not is_amount(columns, name)
        and columns.share(name, ID_LIKE) >= 0.9
        and columns.counts(name).distinct >= user.distinct
    ]


def could_name(columns: Columns, name: str) -> bool:
    """Whether the values of a column could be ids of people, judged without other columns."""
    kind, own = columns.kind(name), {*columns.words[name].split("_")}
    if kind not in ("VARCHAR", "UUID", *INTEGERS) or own & NOT_IDS or is_price(columns, name):
        return False
    if columns.rows < ENOUGH or max(columns.share(name, each) for each in (DATE, EMAIL)) > 0.5:
        return False
    counts = columns.counts(name)
    return counts.distinct >= FEWEST and not objection(columns, counts)


def is_price(columns: Columns, name: str) -> bool:
    """Whether a column has a word for money, or text of which most are numbers with decimals."""
    if {*columns.words[name].split("_")} & MONEY:
        return True
    is_text = columns.kind(name) == "VARCHAR"
    return is_text and (columns.share(name, WITH_DECIMALS) > 0.5 or bool(columns.number(name)))


def belongs(columns: Columns, name: str, owner: str, is_mutual: bool) -> str | None:
    """How the values of a column pair with those of `owner`, in words; None if they do not.

    Each owner must have one value, and there must be enough values for the number of owners. If
    `is_mutual`, as for email addresses, each value must also have one owner.
    """
    value, who = text_of(name), f"lower({text_of(owner)})"
    pairs = (
        f"(select distinct {value} as value, {who} as who from _tl_log "
        f"where {value} is not null and {who} is not null)"
    )
    owners, several = columns.row(
        "count(*), count(*) filter (where n > 1)",
        f"(select count(*) as n from {pairs} group by who)",
    )
    values, shared_ones = columns.row(
        "count(*), count(*) filter (where n > 1)",
        f"(select count(*) as n from {pairs} group by value)",
    )
    if values < FEWEST or several > SHARED * owners or values < SHARED_BY * owners:
        return None
    if not is_mutual:
        return f"one for each {quoted(owner)}"
    return None if shared_ones > SHARED * values else f"one to one with {quoted(owner)}"


def nobody(columns: Columns, free: list[str]) -> list[str]:
    """Lines that say that no column identifies a person, and list candidates."""
    lines = ["# user_id: which column says who? Needed: user_id, anonymous_id or email."]
    own = [name for name in free if not columns.holds_others(name)]
    objects = {name: why for name in own if (why := nested(columns, name))}
    lines += [f"#   {quoted(name)} {why}" for name, why in objects.items()]
    likely = [name for name in own if name not in objects and could_name(columns, name)]
    likely = [name for name in likely if not is_amount(columns, name)] or likely
    for name in likely:
        counts = columns.counts(name)
        lines.append(f"# user_id: {quoted(name)}  # could be a person's id: {counts}")
    return lines


def is_amount(columns: Columns, name: str) -> bool:
    """Whether a column holds few different, small numbers, as quantities and ratings are."""
    few = columns.counts(name).distinct < FEW_AMOUNTS * columns.filled[name]
    value = f"try_cast({text_of(name)} as double)"
    return few and columns.count(f"{value} is null or abs({value}) >= {LARGE_AMOUNT}") == 0
