"""What the radar tells when a provider says no: sign-ins that were lost, secrets that have expired."""

from relay import metrics
from relay.oauth import MailboxTokens, TokenError, TokenSource
from relay.oauth.store import CONSENT_NEEDED, SignIn
from tests.alerts.conftest import ACCOUNT, DAY, EXPIRED, SECRET, Provider, Tower, after, ask, ending, events

USER = f'{ACCOUNT}grant = "device_code"\n'
SIGN_IN = SignIn(
    account="office",
    refresh_token="refresh-1",
    client_id="11111111-2222-3333-4444-555555555555",
    token_endpoint="https://login.microsoftonline.com/contoso.onmicrosoft.com/oauth2/v2.0/token",
    scope="SMTP.Send offline_access",
)


async def end_sign_in(tower: Tower) -> None:
    consent = await tower.store.find("office")
    assert consent is not None
    assert await tower.store.refused(consent, "", "AADSTS50173: revoked", state=CONSENT_NEEDED)


async def test_a_sign_in_that_was_lost_is_told_once_and_again_after_the_next(tower: Tower) -> None:
    radar = tower.radar(USER)
    await radar.look()
    assert tower.listener.heard == [], "nobody has signed in yet: nothing was lost"
    await tower.store.keep(SIGN_IN)
    await radar.look()
    assert metrics.SIGN_IN_NEEDED.labels("office")._value.get() == 0
    for _ in range(2):
        await end_sign_in(tower)
        await radar.look()
        await radar.look()
        await tower.radar(USER).look()
        assert metrics.SIGN_IN_NEEDED.labels("office")._value.get() == 1
        await tower.store.keep(SIGN_IN)
        await radar.look()
        radar = tower.radar(USER)
    assert events(tower.listener) == ["consent_lost", "consent_lost"]
    text = tower.listener.texts[0]
    assert "AADSTS50173: revoked" in text
    assert text.endswith("Sign in again: relay authorize office")


async def test_a_sign_in_that_nobody_uses(tower: Tower) -> None:
    await tower.store.keep(SIGN_IN)
    consent = await tower.store.find("office")
    assert consent is not None
    tower.clock.now = consent.used_at + 84 * DAY
    await tower.radar(USER).look()
    assert events(tower.listener) == ["expires"]
    assert tower.listener.heard[0]["kind"] == "refresh_token"
    assert "relay authorize office" in tower.listener.texts[0]


async def test_another_provider_s_sign_in_has_no_known_end(tower: Tower) -> None:
    text = USER.replace('"microsoft"', '"google"').replace('tenant = "contoso.onmicrosoft.com"\n', "")
    await tower.store.keep(SIGN_IN)
    tower.clock.now += 10_000 * DAY
    await tower.radar(text).look()
    assert tower.listener.heard == []


async def test_the_same_of_an_account_that_acts_as_its_senders(tower: Tower) -> None:
    of_user = TokenError("office: no", error="invalid_grant", temporary=False, codes=(7000222,))
    providers = {"a@contoso.com": Provider(of_user), "b@contoso.com": Provider(), "c@contoso.com": Provider(EXPIRED)}
    tokens = MailboxTokens(lambda mailbox: TokenSource(mailbox, providers[mailbox].fetch, tower.clock))
    tower.credentials["office"] = tokens
    radar = tower.radar(SECRET)
    for mailbox in ("a@contoso.com", "b@contoso.com"):
        await ask(tokens.of(mailbox))
        await radar.look()
    assert events(tower.listener) == []
    assert tokens.works, "one user's trouble is not the application's"
    await ask(tokens.of("c@contoso.com"))
    await radar.look()
    assert events(tower.listener) == ["expired"]
    assert not tokens.works


async def test_the_provider_says_that_the_secret_has_expired(tower: Tower) -> None:
    provider = Provider(EXPIRED, EXPIRED)
    source = tower.credentials["office"] = TokenSource("office", provider.fetch, tower.clock)
    radar = tower.radar(SECRET)
    await radar.look()
    for _ in range(2):
        await ask(source)
        await radar.look()
        await tower.radar(SECRET).look()
        tower.clock.now += 31
    assert events(tower.listener) == ["expired"]
    assert tower.listener.texts[0].endswith("; its mail waits. Make a new one.")
    await ask(source)
    await radar.look()
    provider.errors.append(EXPIRED)
    tower.clock.now += 3600
    await ask(source)
    await radar.look()
    assert events(tower.listener) == ["expired", "expired"], "it had worked in between"


async def test_an_end_that_is_written_down_is_not_told_twice(tower: Tower) -> None:
    source = tower.credentials["office"] = TokenSource("office", Provider(EXPIRED).fetch, tower.clock)
    await ask(source)
    await tower.radar(ending(after(-1))).look()
    assert events(tower.listener) == ["expired"]


async def test_other_refusals_are_not_an_expiry(tower: Tower) -> None:
    wrong = TokenError("office: refused", error="invalid_client", temporary=False, codes=(7000215,))
    source = tower.credentials["office"] = TokenSource("office", Provider(wrong).fetch, tower.clock)
    await ask(source)
    await tower.radar(SECRET).look()
    assert tower.listener.heard == []
